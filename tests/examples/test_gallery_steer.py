"""`chunk7 steer` says of every variant of the gallery what its file and docs/gallery.md say."""

import re
from pathlib import Path
from typing import Any

import pytest
from variants_kit import LOSING, VARIATIONS, but

from chunk7.loadtest.targets.adapter import read_adapter
from examples.gallery import EXAMPLES, Case, cases, missing, steer

PAGE = EXAMPLES.parent / "docs" / "gallery.md"
FEW = ("--natural", "0", "--settle-ms", "250", "--hold-ms", "300")
TRIES = {"starlette_broadcaster:unmended": 2}
"""One elsewhere. The first join of this one gets nothing at all, which tells no orders apart."""
STEERED = [case for case in cases() if case.variant.steer]
VERDICTS = {"loses": "loses", "survives": "survives every feasible schedule", "unknown": "unknown"}
EXPLORED = {"loses": "loses", "survives": "lossless"}


def by_label(case: Case) -> str:
    return case.label


@pytest.mark.gallery
@pytest.mark.timeout(240)
@pytest.mark.parametrize("case", but(VARIATIONS | LOSING, STEERED))
async def test_it_is_steered_as_recorded_and_explore_agrees(case: Case, tmp_path: Path) -> None:
    if (reason := missing(case)) is not None:
        pytest.skip(reason)
    tries = ("--tries", str(TRIES.get(case.label, 1)))
    results = await steer(case, tmp_path, *FEW, *tries)
    found = {result["write"] or "ask": result for result in results}
    assert {write: result["verdict"] for write, result in found.items()} == {
        write: VERDICTS[recorded] for write, recorded in case.variant.steer.items()
    }
    for write, recorded in case.variant.steer.items():
        explored = found[write]["explored"]
        assert explored in (None, EXPLORED[recorded]), found[write]
        lossy = [row for row in found[write]["schedules"] if row["lossy"]]
        assert bool(lossy) == (recorded == "loses")
        assert not lossy or any(map(loses_each_time, lossy)), lossy


def loses_each_time(row: dict[str, Any]) -> bool:
    """In every try that was forced exactly the chunk under test is lost."""
    return bool(row["lossy"] == row["forced"] and {*row["lost"]} == {"1"})


@pytest.mark.parametrize("case", cases(), ids=by_label)
def test_every_write_ordering_is_steered_or_none(case: Case) -> None:
    assert {*case.variant.steer} in ({*case.variant.finds}, set())
    if case.variant.comeback:
        assert read_adapter(case.folder / case.variant.target).resume is not None


@pytest.mark.parametrize("case", STEERED, ids=by_label)
def test_the_page_has_its_verdicts(case: Case) -> None:
    page = PAGE.read_text()
    for write, verdict in case.variant.steer.items():
        row = rf"^\| `{case.folder.name}` \| {case.name} \| `{write}` \|.*\| \**{verdict}\** \|"
        assert re.search(row, page, re.M), row
