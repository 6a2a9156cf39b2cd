"""Every variant of every member of the gallery is found as its file and docs/gallery.md say."""

import shutil
from pathlib import Path

import pytest

from examples.gallery import PROGRAMS, Case, cases, measure

pytestmark = [pytest.mark.gallery, pytest.mark.timeout(240)]


def missing(case: Case) -> str | None:
    """What must be installed before the case can be measured."""
    program = case.member.start[0]
    if program == "node":
        installed = shutil.which("node") and (case.folder / "node_modules").is_dir()
    else:
        installed = (PROGRAMS / program).exists()
    return None if installed else f"no {program} for {case.label}: `make gallery-env` installs it"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.label)
async def test_it_loses_or_keeps_as_recorded(case: Case, tmp_path: Path) -> None:
    if (reason := missing(case)) is not None:
        pytest.skip(reason)
    found = await measure(case, tmp_path)
    assert not [*found.strange(case.variant)], found
