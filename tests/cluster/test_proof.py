"""A cell that lost nothing is told apart from one that cannot lose."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from test_table import KEPT, shown

from chunk7.analysis.conclusion import proof
from chunk7.analysis.report.words import headline, mark_of_run
from chunk7.analysis.results import Summary
from chunk7.cluster.cells import try_and_choose
from chunk7.delivery.errors import OrderingError
from chunk7.wire.account import Explored

BUG = """
from chunk7.delivery.effects import ReadHistory, SendHistory, Subscribe
from chunk7.delivery.ordering import connect_ordering


@connect_ordering()
def mine(join):
    history = yield ReadHistory()
    yield SendHistory(history)
    yield Subscribe()
"""
BREAKS_LATER = BUG.replace(
    "    yield SendHistory(history)\n",
    "    yield 7 if len(history) > 1 else SendHistory(history)\n",
)


@pytest.mark.parametrize(
    ("connect", "write", "verdict"),
    [
        ("history_then_subscribe", "save_then_publish", "loses"),
        ("subscribe_then_history", "publish_then_save", "loses"),
        ("buffered_merge", "atomic_lua", "lossless"),
        ("redis_streams", "stream_append", "lossless"),
    ],
)
def test_what_a_run_may_not_show_is_known_before_it(connect: str, write: str, verdict: str) -> None:
    assert try_and_choose([connect], [write]).explored == {
        f"{connect} x {write}": Explored(
            verdict=verdict,  # type: ignore[arg-type]
            chunks=3,
            command=f"chunk7 explore --connect {connect} --write {write}",
        )
    }


def test_somebody_elses_file_is_explored_too(tmp_path: Path) -> None:
    """It used to be `keeps all`, without a word, where `chunk7 explore` found the loss at once."""
    path = tmp_path / "my own.py"
    path.write_text(BUG)
    [found] = try_and_choose([f"{path}:mine"], ["atomic_lua"]).explored.values()
    assert found.verdict == "loses"
    assert found.command == f"chunk7 explore --connect '{path}:mine' --write atomic_lua"


def test_a_file_that_breaks_only_with_several_chunks_is_refused_before_the_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.py"
    path.write_text(BREAKS_LATER)
    with pytest.raises(OrderingError, match="yielded 7, which is no effect"):
        try_and_choose([f"{path}:mine"], ["atomic_lua"])


def explored(verdict: str) -> Explored:
    return Explored(verdict=verdict, chunks=3, command="chunk7 explore ...")  # type: ignore[arg-type]


def test_a_table_marks_what_can_lose_and_says_how_to_see_it() -> None:
    lines = shown(replace(KEPT, explored=explored("loses")))
    assert lines[3].startswith("! atomic_lua")
    assert lines[4] == "!  lost none here, can lose"
    assert lines[5] == (
        "buffered_merge x atomic_lua lost none here, can lose: 0 of 120 connections lost a chunk "
        "(at most 3.1%), at no price. `chunk7 explore ...` draws how."
    )


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (None, "Not explored: another interleaving may lose."),
        (explored("lossless"), "No interleaving of 3 chunks loses one."),
        (explored("unknown"), "Not explored to the end: `chunk7 explore ...` goes on."),
    ],
)
def test_nothing_is_silent_where_no_loss_was_seen(known: Explored | None, sentence: str) -> None:
    assert proof(replace(KEPT, explored=known)) == sentence


def test_a_loss_that_was_measured_needs_no_proof() -> None:
    assert proof(replace(KEPT, chunks_lost=1, explored=explored("loses"))) == ""


def test_the_headline_of_a_run_that_lost_nothing_says_how_many_can() -> None:
    results = [replace(KEPT, explored=explored(word)) for word in ("loses", "lossless")]
    summary = Summary(valid=True, invalid_because=[], seed=7, run_dir="", results=results)
    assert headline(summary) == "No chunk was lost in 2 cells, but 1 can lose"
    assert mark_of_run(summary) == "lucky"
    kept = replace(summary, results=results[1:])
    assert (headline(kept), mark_of_run(kept)) == ("No chunk was lost in 1 cell", "keeps")
    assert mark_of_run(replace(kept, valid=False)) == "unknown"
