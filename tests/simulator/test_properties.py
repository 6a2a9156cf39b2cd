"""Properties of one's own, held against every schedule of what a reader is shown."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from call_kit import Call
from explore_kit import PAIR_NAMES, PAIRS

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.properties import reader_property
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.drawing import rerun
from chunk7.simulator.explore.properties import PropertyVerdict, check_properties
from chunk7.simulator.explore.search import SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell

FIRST = CONNECT_ORDERINGS["subscribe_then_history"]
LUA = WRITE_ORDERINGS["atomic_lua"]
PAGE = Path(__file__).parents[2] / "docs" / "exploration.md"
FILE = (
    PAGE.read_text().partition("```python\n")[2].partition("```")[0]
    + """

@reader_property
def never_twice(shown, due):
    return len(set(shown)) == len(shown)
"""
)


@reader_property
def everything(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    return {chunk.numbered(0) for chunk in shown} >= set(due)


@reader_property
def never_backwards(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    seqs = [chunk.seq for chunk in shown]
    return seqs == sorted(seqs)


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
@pytest.mark.parametrize("faults", [(), ("producer_timeout",)], ids=["calm", "unanswered"])
def test_to_be_shown_everything_is_to_lose_nothing(
    connect: ConnectOrdering, write: WriteOrdering, faults: tuple[str, ...]
) -> None:
    """What an unanswered producer gave up is not due."""
    cell = ExploreCell(connect, write, chunks=2, faults=faults, early_beats=0)
    found = check_properties(cell, [everything])
    loses = explore(cell).search.tally.lossy > 0
    assert (found.verdicts["everything"] is PropertyVerdict.BROKEN) == loses


def test_a_reader_is_shown_what_its_client_makes_of_it() -> None:
    """Chunk 1 comes live and again in the history; the client shows it once, and after chunk 2."""
    found = check_properties(ExploreCell(FIRST, LUA, chunks=2), [everything, never_backwards])
    assert found.verdicts == {
        "everything": PropertyVerdict.HOLDS,
        "never_backwards": PropertyVerdict.BROKEN,
    }
    example = found.examples["never_backwards"]
    assert example.chunks == 2
    assert rerun(ExploreCell(FIRST, LUA, chunks=2), example).outcome.receipts == ((2, 1, 2),)


def test_a_bound_leaves_what_is_not_broken_unknown() -> None:
    few = SearchLimits(max_schedules=20)
    found = check_properties(ExploreCell(FIRST, LUA), [everything], few)
    assert found.verdicts == {"everything": PropertyVerdict.UNKNOWN}


@reader_property
def fails(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    return shown[99].final


@reader_property
def undecided(shown: Sequence[Chunk], due: Sequence[Chunk]) -> bool:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("each", "said"),
    [
        (fails, "fails: IndexError: tuple index out of range"),
        (undecided, "undecided: answers None: must be True or False"),
    ],
    ids=["raises", "no answer"],
)
def test_a_property_that_cannot_be_asked_is_named(each: object, said: str) -> None:
    with pytest.raises(OrderingError, match=said):
        check_properties(ExploreCell(FIRST, LUA, chunks=1), [each])  # type: ignore[list-item]


def test_the_command_shows_who_breaks_what(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    pairing = ("--connect", "subscribe_then_history,buffered_merge", "--write", "atomic_lua")
    done = call("explore", *pairing, "--properties", file, "--out", tmp_path, "--fail-on", "broken")
    assert done.returncode == 99
    assert "ends_with_the_last: does not hold" in done.stdout
    assert "2 cells: 3 holds, 1 broken" in done.stdout
    cells = json.loads((tmp_path / "properties.json").read_text())["properties"]
    assert [cell["properties"] for cell in cells] == [
        {"ends_with_the_last": "broken", "never_twice": "holds"},
        {"ends_with_the_last": "holds", "never_twice": "holds"},
    ]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", 2, "has no function with @reader_property"),
        ("import nothing_such", 2, "does not load: ModuleNotFoundError"),
        (FILE.replace("return len", "while True: pass\n    return len"), 1, "loop for ever"),
    ],
    ids=["empty", "broken", "endless"],
)
def test_a_file_without_properties_ends_in_one_line(
    call: Call, tmp_path: Path, text: str, code: int, said: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    done = call("explore", "--connect", "buffered_merge", "--properties", file)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert said in done.stderr
