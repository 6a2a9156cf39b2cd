"""Two ways to be deaf that tell explorers nothing new: each schedule is one of `deaf_node`."""

from dataclasses import replace
from itertools import product

import pytest
from mutants import MUTANTS
from wide_kit import share

from chunk7.delivery.ordering import Feed
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.coverage import subscriptions_end
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.search import explore
from chunk7.simulator.explore.state import ExploreCell, State
from chunk7.simulator.explore.world import World

LISTENING = {
    **{
        f"{connect.name} x {write.name}": (connect, write)
        for connect in CONNECT_ORDERINGS.values()
        for write in WRITE_ORDERINGS.values()
        if connect.feed is write.feed is Feed.PUBSUB
    },
    **{
        name: (mutant.connect, mutant.write)
        for name, mutant in MUTANTS.items()
        if mutant.connect.feed is Feed.PUBSUB
    },
}
KEEPING = {
    name: pair for name, pair in LISTENING.items() if not subscriptions_end(ExploreCell(*pair))
}
GOES_DEAF = Step("node1", "deaf_node")


@pytest.mark.parametrize(
    ("name", "fault"), share(product(KEEPING, ["deaf_node_for_ever", "deaf_all_nodes"]))
)
def test_each_schedule_is_one_of_a_node_that_goes_deaf_once(name: str, fault: str) -> None:
    """Both worlds take the same steps side by side, and their schedules end in the same way.

    All clients are at one node, so all nodes are that one. And what never arrives at a node that is
    deaf for ever is on its way to the other, until that goes deaf at the end and it is gone.
    """
    cell = ExploreCell(*KEEPING[name], chunks=2)
    world, once = (World(replace(cell, faults=(which,))) for which in (fault, "deaf_node"))
    beside: list[tuple[State, State]] = [(world.initial(), once.initial())]
    seen = set(beside)
    while beside:
        here, there = beside.pop()
        steps = dict((*once.moves(there), *once.optional_moves(there)))
        steps |= {Step("node1", "deaf_for_ever"): there}
        steps |= {Step("store", "deaf_all"): steps.get(GOES_DEAF)}
        moves = world.moves(here)
        after = {(then, steps[step]) for step, then in (*moves, *world.optional_moves(here))}
        beside += after - seen
        seen |= after
        if not moves:
            end = steps[GOES_DEAF] if once.moves(there) else there
            assert once.moves(end) == []
            assert once.outcome(end) == world.outcome(here)


@pytest.mark.parametrize("fault", ["deaf_node_for_ever", "deaf_all_nodes"])
@pytest.mark.parametrize("name", sorted(LISTENING.keys() - KEEPING.keys()))
def test_who_subscribes_anew_by_itself_fails_in_no_other_way(name: str, fault: str) -> None:
    """There a confirmation waits behind what is on its way, so the worlds differ step by step."""
    cell = ExploreCell(*LISTENING[name], chunks=2)
    explored = (explore(replace(cell, faults=(one,))).search for one in ("deaf_node", fault))
    once, found = ({*search.shortest} for search in explored)
    assert found <= once


def test_all_nodes_at_once_are_one_after_the_other_where_clients_are_at_two() -> None:
    """With a second fault that moves a client: whatever the one event does, two in a row do."""
    pair = CONNECT_ORDERINGS["subscribe_then_history"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(*pair, chunks=1, joiners=2)
    both, each = (
        {*explore(replace(cell, faults=("slow_client", *deaf))).search.shortest}
        for deaf in (("deaf_all_nodes",), ("deaf_node", "deaf_node"))
    )
    assert both <= each
