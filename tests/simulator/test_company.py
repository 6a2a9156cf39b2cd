"""One client among any number of others: it fails as two clients do, and in far fewer states."""

from dataclasses import replace

import pytest
from explore_kit import PAIRS, toy_connects, toy_writes
from hypothesis import given, settings

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.company import in_company, without_company
from chunk7.simulator.explore.drawing import rerun
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.search import (
    Exploration,
    ExploreVerdict,
    SearchLimits,
    explore,
    failures,
)
from chunk7.simulator.explore.state import ExploreCell

SPEAKING = [pair for pair in PAIRS if without_company(ExploreCell(*pair)) is None]
NAMES = [f"{connect.name}-{write.name}" for connect, write in SPEAKING]
GAP_FILL, LUA = CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["atomic_lua"]


def kinds(result: Exploration) -> set[Failure]:
    """The failures that some schedule has, of a cell that was explored whole."""
    assert result.search.complete
    return {kind for kind in Failure if getattr(result.search.tally, kind)}


@pytest.mark.parametrize(("connect", "write"), SPEAKING, ids=NAMES)
def test_it_fails_as_two_clients_do(connect: ConnectOrdering, write: WriteOrdering) -> None:
    two = ExploreCell(connect, write, chunks=2, joiners=2, early_beats=0)
    one, both = explore(in_company(two)), explore(two)
    assert (kinds(one), one.verdict) == (kinds(both), both.verdict)
    assert one.search.states < 0.6 * both.search.states


@given(toy_connects, toy_writes)
@settings(max_examples=60, deadline=None)
def test_so_do_orderings_put_together_at_random(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    two = ExploreCell(connect, write, chunks=2, joiners=2)
    assert kinds(explore(in_company(two))) == kinds(explore(two))


@pytest.mark.parametrize(("connect", "write"), SPEAKING, ids=NAMES)
def test_its_examples_are_schedules_of_real_clients(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    for kind, example in explore(in_company(cell)).counterexamples.items():
        assert example.joiners == (2 if any(s.actor == "node1.join2" for s in example.steps) else 1)
        size = {"chunks": example.chunks, "joiners": example.joiners}
        assert failures(rerun(replace(cell, **size), example).outcome)[kind]


def test_others_make_a_difference() -> None:
    """A chunk that is in the history may be on its way to the subscription that others have."""
    cell = ExploreCell(CONNECT_ORDERINGS["history_then_subscribe"], LUA, chunks=2)
    assert kinds(explore(cell)) == {Failure.LOSSY}
    shared = {Failure.LOSSY, Failure.DUPLICATING, Failure.REWINDING}
    assert kinds(explore(in_company(cell))) == shared


def test_any_number_of_clients_that_fill_gaps_lose_none_of_three_chunks() -> None:
    for write in ("publish_then_save", "save_then_publish", "atomic_multi", "atomic_lua"):
        result = explore(in_company(ExploreCell(GAP_FILL, WRITE_ORDERINGS[write], chunks=3)))
        assert (result.verdict, result.by_company) == (ExploreVerdict.LOSSLESS, True)


def test_two_clients_whose_schedules_are_too_many_have_the_verdict_of_one_in_company() -> None:
    result = explore(ExploreCell(GAP_FILL, LUA, joiners=2), SearchLimits(max_schedules=5_000))
    assert (result.verdict, result.search.complete) == (ExploreVerdict.LOSSLESS, False)
    assert result.document()["by_company"] is True
    too_few = explore(ExploreCell(GAP_FILL, LUA, joiners=2), SearchLimits(max_schedules=50))
    assert too_few.verdict is ExploreVerdict.UNKNOWN
    assert "by_company" not in too_few.document()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (ExploreCell(GAP_FILL, LUA, faults=("trim",)), "faults may strike"),
        (ExploreCell(CONNECT_ORDERINGS["positioned_merge"], LUA), "subscribes again"),
    ],
    ids=["faults", "recovery"],
)
def test_it_does_not_speak_where_others_can_be_noticed(cell: ExploreCell, reason: str) -> None:
    with pytest.raises(UsageError, match=f"--joiners any: .*{reason}"):
        in_company(cell)
