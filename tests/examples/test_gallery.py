"""Every variant of every member of the gallery is found as its file and docs/gallery.md say."""

from pathlib import Path

import pytest
from variants_kit import MENDED, VARIATIONS, but

from examples.gallery import Case, cases, measure, missing

pytestmark = [pytest.mark.gallery, pytest.mark.timeout(240)]


@pytest.mark.parametrize("case", but(VARIATIONS | MENDED, cases()))
async def test_it_loses_or_keeps_as_recorded(case: Case, tmp_path: Path) -> None:
    if (reason := missing(case)) is not None:
        pytest.skip(reason)
    found = await measure(case, tmp_path)
    assert not [*found.strange(case.variant)], found
