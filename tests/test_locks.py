"""What `make` installs is pinned to the byte."""

import re
from pathlib import Path

import pytest

LOCKS = sorted(Path(__file__).parents[1].glob("requirements*.lock"))


def test_there_are_three() -> None:
    assert [lock.name for lock in LOCKS] == [
        "requirements-dev.lock",
        "requirements-notebooks.lock",
        "requirements.lock",
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_has_its_hashes_and_none_says_where_from(lock: Path) -> None:
    requirements = re.split(r"\n(?! )", lock.read_text().rstrip())
    named = re.compile(
        r"[\w.-]+(\[[\w,]+\])?==[\w.+!]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    )
    assert [one for one in requirements if not named.fullmatch(one)] == []
