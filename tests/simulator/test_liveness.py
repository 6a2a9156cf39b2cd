"""In the end every client has everything: fair runs that never end, and where they stay."""

from collections.abc import Hashable
from typing import Any

import pytest
from explore_kit import PAIR_NAMES, PAIRS, toy_connects, toy_writes
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import MUTANTS
from wide_kit import rarely

from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering, pair
from chunk7.exploration import lived
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.liveness import InTheEnd, components, in_the_end
from chunk7.simulator.explore.schedule import Failure, Step
from chunk7.simulator.explore.search import ExploreVerdict, SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell

GAP_FILL = CONNECT_ORDERINGS["sequence_gap_fill"]
LUA = WRITE_ORDERINGS["atomic_lua"]


def name_of(ordering: ConnectOrdering) -> str:
    return ordering.name


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
@pytest.mark.parametrize("faults", [(), ("store_kill_pubsub",)], ids=["calm", "cut off"])
def test_who_loses_nothing_converges(
    connect: ConnectOrdering, write: WriteOrdering, faults: tuple[str, ...]
) -> None:
    """With heartbeats that end the verdicts are the same: two at the end are enough."""
    cell = ExploreCell(connect, write, chunks=2, faults=faults)
    loses = explore(cell).verdict is ExploreVerdict.LOSES
    assert in_the_end(cell).verdict is (InTheEnd.STARVES if loses else InTheEnd.CONVERGES)


@pytest.mark.parametrize(("chunks", "states"), [(2, 9_246), rarely(3, 62_520)])
def test_two_clients_that_fill_gaps_have_all_chunks_in_the_end(chunks: int, states: int) -> None:
    """Their schedules are too many to be counted: heartbeats that are counted tell states apart."""
    found = in_the_end(ExploreCell(GAP_FILL, LUA, chunks=chunks, joiners=2))
    assert (found.verdict, found.states) == (InTheEnd.CONVERGES, states)


def test_one_that_asks_only_once_hears_heartbeats_for_ever() -> None:
    found = in_the_end(MUTANTS["asks_only_once"].cell())
    assert found.verdict is InTheEnd.STARVES
    assert found.cell.chunks == 1
    assert found.cycle == (Step("node1.join1", "heartbeat"),)
    assert found.stem[-1] == Step("node1.join1", "fetched")


@pytest.mark.parametrize(
    "name", [name for name, mutant in MUTANTS.items() if mutant.fails is Failure.LOSSY]
)
def test_every_mutant_that_loses_starves(name: str) -> None:
    mutant = MUTANTS[name]
    found = in_the_end(mutant.cell(chunks=mutant.chunks))
    assert found.verdict is InTheEnd.STARVES
    assert found.cell.chunks == mutant.chunks


class AsksForEver(TakesAll):
    """Asks for chunk 1, whatever it has."""

    asks = True

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        return memory, (1, 1)


def test_one_that_asks_for_ever_is_restless() -> None:
    found = in_the_end(ExploreCell(GAP_FILL, LUA, chunks=1, client=AsksForEver()))
    assert found.verdict is InTheEnd.RESTLESS
    assert {step.effect for step in found.cycle} == {"fetch", "fetched"}


ENDINGS = {
    "published": MUTANTS["end_only_published"].write,
    "saved with it": MUTANTS["end_only_published"].sound[1],
    "a status": MUTANTS["status_after_the_history"].write,
}
HEARING = {
    **CONNECT_ORDERINGS,
    "status_after_the_history": MUTANTS["status_after_the_history"].connect,
    "status_before_the_history": MUTANTS["status_after_the_history"].sound[0],
}


@pytest.mark.parametrize("write", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("connect", [c for c in HEARING.values() if pair(c, LUA)], ids=name_of)
def test_who_never_learns_of_the_end_is_unfinished_also_in_the_end(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    tally = explore(cell).search.tally
    worst = InTheEnd.UNFINISHED if tally.unfinished else InTheEnd.CONVERGES
    worst = InTheEnd.STARVES if tally.lossy or tally.stuck else worst
    assert in_the_end(cell).verdict is worst


def test_a_run_that_never_ends_for_a_client_is_drawn() -> None:
    mutant = MUTANTS["end_only_published"]
    found = in_the_end(mutant.cell())
    assert (found.verdict, found.cell.chunks, found.cycle) == (InTheEnd.UNFINISHED, 1, ())
    assert [step.effect for step in found.stem] == [step.effect for step in mutant.shortest]


def test_what_may_strike_need_not() -> None:
    """A fair run may stay where only a fault could help: this one brings the clients back."""
    cell = ExploreCell(
        CONNECT_ORDERINGS["history_then_subscribe"], LUA, chunks=1, faults=("node_kill",)
    )
    found = in_the_end(cell)
    assert found.verdict is InTheEnd.STARVES
    assert "crash" not in {step.effect for step in found.stem}


def test_a_bound_leaves_it_unknown() -> None:
    cell = ExploreCell(GAP_FILL, LUA, chunks=3, joiners=2)
    assert in_the_end(cell, SearchLimits(max_schedules=500)).verdict is InTheEnd.UNKNOWN
    late = SearchLimits(max_seconds=1e-9)
    assert in_the_end(cell, late).verdict is InTheEnd.UNKNOWN


@given(toy_connects, toy_writes)
@settings(max_examples=60, deadline=None)
def test_without_heartbeats_to_starve_is_to_lose_or_to_be_stuck(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2)
    tally = explore(cell).search.tally
    wrong = bool(tally.lossy or tally.stuck)
    assert (in_the_end(cell).verdict is InTheEnd.STARVES) == wrong


@given(st.lists(st.lists(st.integers(0, 11), max_size=3), min_size=1, max_size=12))
def test_components_are_those_who_reach_each_other(edges: list[list[int]]) -> None:
    here = Step("store", "subscription")
    moves = [[(here, after) for after in afters if after < len(edges)] for afters in edges]
    reach = [{place} for place in range(len(moves))]
    for _ in moves:
        reach = [own.union(*(reach[after] for after in own)) for own in reach]
        reach = [own | {after for p in own for _, after in moves[p]} for own in reach]
    mutual = {
        frozenset(other for other in reach[place] if place in reach[other])
        for place in range(len(moves))
    }
    assert set(components(moves)) == mutual


def test_the_run_that_starves_is_drawn_with_what_goes_on() -> None:
    [row] = lived(["subscribe_then_history"], ["publish_then_save"])
    assert row.document["verdict"] == "starves"
    assert row.drawing is not None
    assert row.drawing.text().splitlines()[-3:] == [
        "client1 receives: nothing",
        "Chunk 1: LOST",
        "From here on, for ever: nothing",
    ]
