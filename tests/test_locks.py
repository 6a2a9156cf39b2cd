"""What `make` installs is pinned to the byte."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LOCKS = [
    *sorted(REPOSITORY.glob("requirements*.lock")),
    REPOSITORY / "examples" / "requirements.lock",
]


def test_there_are_three_and_that_of_the_examples() -> None:
    assert [str(lock.relative_to(REPOSITORY)) for lock in LOCKS] == [
        "requirements-dev.lock",
        "requirements-notebooks.lock",
        "requirements.lock",
        "examples/requirements.lock",
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(REPOSITORY)))
def test_every_requirement_has_its_hashes_and_none_says_where_from(lock: Path) -> None:
    requirements = re.split(r"\n(?! )", lock.read_text().rstrip())
    named = re.compile(
        r"[\w.-]+(\[[\w,]+\])?==[\w.+!]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    )
    assert [one for one in requirements if not named.fullmatch(one)] == []
