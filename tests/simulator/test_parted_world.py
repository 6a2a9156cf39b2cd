"""What is looked up is what the rules say, in every state of cells that use all that they read."""

from dataclasses import replace
from itertools import product

import pytest
from mutants import MUTANTS
from wide_kit import share

from chunk7.delivery.contract import Contract
from chunk7.delivery.life import ProducerLife, Retry
from chunk7.delivery.replica import Replica
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.parted_world import PartedWorld
from chunk7.simulator.explore.parts import Parts
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World

MOST_STATES = 2_000
"""A walk that has seen these has seen every rule; the widest cells have more."""


def cell(connect: str, write: str, **options: object) -> ExploreCell:
    base = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], chunks=2)
    return replace(base, **options)


CELLS = {
    "gaps": cell("sequence_gap_fill", "publish_then_save"),
    "two": cell("subscribe_then_history", "save_then_publish", joiners=2),
    "two-positioned": cell("positioned_merge", "atomic_lua", joiners=2),
    "stream": cell("redis_streams", "stream_append", faults=("store_failover_behind", "trim")),
    "company": cell("buffered_merge", "atomic_multi", company=True),
    "pubsub": cell("positioned_merge", "atomic_multi", faults=("store_kill_pubsub", "deaf_node")),
    "nodes": cell("buffered_merge", "atomic_lua", joiners=2, faults=("node_kill",)),
    "stale": cell(
        "sequence_gap_fill", "atomic_multi", faults=("stale_read", "evict", "slow_client")
    ),
    "welcome": cell("buffered_merge", "atomic_multi", contract=Contract.FROM_WELCOME, joiners=2),
    "message": cell(
        "buffered_merge", "publish_then_save", contract=Contract.FROM_MESSAGE, chunks=3
    ),
    "message-positioned": cell(
        "positioned_merge",
        "publish_then_save",
        contract=Contract.FROM_MESSAGE,
        faults=("store_kill_pubsub",),
    ),
    "replica": cell("subscribe_then_history", "publish_then_save", replica=Replica.ALL),
    "history": cell("sequence_gap_fill", "atomic_multi", replica=Replica.HISTORY),
    "leavers": cell("buffered_merge", "atomic_lua", joiners=2, faults=("client_leave",)),
    "leavers-popping": cell(
        "positioned_merge",
        "atomic_multi",
        joiners=2,
        faults=("client_leave_popping", "store_kill_pubsub"),
    ),
    "leavers-moved": cell(
        "sequence_gap_fill", "atomic_lua", joiners=2, faults=("client_leave", "node_kill")
    ),
    "unsubscribes": MUTANTS["subscribes_anew_for_the_client"].cell(),
    "newest": MUTANTS["dollar_reread"].cell(),
    "poked": MUTANTS["pokes_before_it_saves"].cell(),
    "tail": MUTANTS["reads_the_tail_last"].cell(),
    "starts": MUTANTS["starts_before_it_listens"].cell(),
    "vouches": MUTANTS["vouches_for_what_it_read"].cell(2),
    "waits": MUTANTS["waits_for_replicas_too_early"].cell(2),
    "writers": cell(
        "subscribe_then_history",
        "save_then_publish",
        life=ProducerLife(writers=2, overlap=2, retry=Retry.NEW),
        faults=("producer_timeout", "producer_zombie"),
    ),
}


@pytest.mark.parametrize(
    ("name", "options"), share(product(CELLS, [(), ("wires",), ("blind", "endless")]))
)
def test_moves_are_those_of_the_rules_in_every_state(name: str, options: tuple[str, ...]) -> None:
    world = World(CELLS[name], **dict.fromkeys(options, True))
    parted = PartedWorld(world)
    waiting: list[Parts] = [parted.initial()]
    seen = set(waiting)
    while waiting and len(seen) < MOST_STATES:
        parts = waiting.pop()
        state = parted.state(parts)
        moves, may_be = parted.moves(parts), parted.optional_moves(parts)
        assert [(step, parted.state(after)) for step, after in moves] == world.moves(state)
        assert [(step, parted.state(after)) for step, after in may_be] == [
            *world.optional_moves(state)
        ]
        new = {after for _, after in (*moves, *may_be)} - seen
        seen |= new
        waiting += sorted(new)


def test_effects_are_those_of_all_moves_that_were_asked_for() -> None:
    parted = PartedWorld(World(CELLS["company"]))
    parts = parted.initial()
    assert parted.effects == set()
    moves = parted.moves(parts)
    assert parted.effects == {step.effect for step, _ in moves} == {"next_seq", "subscribe"}
