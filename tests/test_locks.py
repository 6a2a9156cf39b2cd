"""What `make` installs is pinned to the byte."""

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LOCKS = [
    *sorted(REPOSITORY.glob("requirements*.lock")),
    REPOSITORY / "examples" / "requirements.lock",
]
NODE_LOCKS = [
    REPOSITORY / "benchmarks" / "peers" / "package-lock.json",
    *sorted(REPOSITORY.glob("examples/*/package-lock.json")),
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


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda lock: lock.parent.name)
def test_whatever_a_node_package_asks_for_exactly_is_locked_at_that_version(lock: Path) -> None:
    """Once every `^2.0.0` of a lock had become the version of its newest package: npm looked for
    socketio-wildcard 2.0.21, which nobody ever published, and installed nothing at all."""
    packages = json.loads(lock.read_text())["packages"]
    locked = {
        (at.rpartition("node_modules/")[2], one.get("version")) for at, one in packages.items()
    }
    asked = {
        (name, version)
        for one in packages.values()
        for name, version in one.get("dependencies", {}).items()
        if re.fullmatch(r"\d+\.\d+\.\d+", version)
    }
    assert asked
    assert asked <= locked
