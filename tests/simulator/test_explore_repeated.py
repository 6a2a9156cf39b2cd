"""Faults that may strike more than once in a schedule."""

from dataclasses import replace
from pathlib import Path

import pytest
from mutants import MUTANTS

from chunk7.delivery.errors import UsageError
from chunk7.exploration import one_cell
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Failure, dump, load
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell, schedule_of

LUA = WRITE_ORDERINGS["atomic_lua"]


def verdict(connect: str, *faults: str) -> str:
    return str(explore(ExploreCell(CONNECT_ORDERINGS[connect], LUA, 2, faults=faults)).verdict)


@pytest.mark.parametrize("fault", ["store_kill_pubsub", "deaf_node", "stale_read"])
def test_who_recovers_once_recovers_twice(fault: str) -> None:
    connects = ("buffered_merge", "positioned_merge", "sequence_gap_fill")
    assert [verdict(connect, fault, fault) for connect in connects] == [
        "loses",
        "lossless",
        "lossless",
    ]


def test_a_client_may_have_to_go_on_to_a_third_node() -> None:
    result = explore(
        ExploreCell(CONNECT_ORDERINGS["buffered_merge"], LUA, 2, faults=("node_kill",) * 2)
    )
    assert (result.verdict, result.search.tally.schedules) == (ExploreVerdict.LOSSLESS, 71_410)


def test_one_strike_is_not_enough_for_what_goes_wrong_at_the_second() -> None:
    mutant = MUTANTS["adds_up_where_it_was"]
    once = replace(mutant.cell(), faults=("node_kill",))
    assert explore(once).verdict == ExploreVerdict.LOSSLESS
    assert explore(mutant.cell()).verdict == ExploreVerdict.LOSES


def cell_under(*faults: str) -> ExploreCell:
    return one_cell("--x", ["buffered_merge"], ["atomic_lua"], faults, 2, 1)


def test_how_often_is_named_behind_the_fault() -> None:
    assert cell_under("trim*2", "node_kill").faults == ("node_kill", "trim", "trim")
    assert cell_under("trim*1").faults == ("trim",)


@pytest.mark.parametrize("wrong", ["trim*0", "trim*4", "trim*", "trim*two", "trim*02", "trim*2*2"])
def test_how_often_is_bounded(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"trim\*N strikes 1 to 3 times"):
        cell_under(wrong)
    with pytest.raises(UsageError, match=r"trim\*4: it may strike 1 to 3 times"):
        cell_under("trim*2", "trim*2")


def test_a_document_lists_the_fault_as_often_as_it_may_strike(tmp_path: Path) -> None:
    cell = cell_under("store_kill_pubsub*2")
    dump(schedule_of(cell, explore(cell).search.shortest[Failure.LOSSY]), tmp_path / "s.json")
    assert load(tmp_path / "s.json").faults == ("store_kill_pubsub", "store_kill_pubsub")
