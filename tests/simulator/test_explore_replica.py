"""Nodes that use a replica which is behind: known answers, and a second model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from call_kit import Call
from explore_kit import PAIR_NAMES, PAIRS
from mutants.mutant import schedule

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering
from chunk7.delivery.replica import Replica
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.liveness import InTheEnd, in_the_end
from chunk7.simulator.explore.schedule import dump, load
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World, replay

PUBSUB_WRITES = [name for name in WRITE_ORDERINGS if name != "stream_append"]


def verdict(connect: str, write: str, replica: Replica | None, chunks: int = 3) -> ExploreVerdict:
    cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], chunks, replica=replica)
    return explore(cell).verdict


@pytest.mark.parametrize("write", PUBSUB_WRITES)
@pytest.mark.parametrize("connect", ["subscribe_then_history", "buffered_merge"])
def test_history_from_a_replica_loses_whoever_writes(connect: str, write: str) -> None:
    """What was published before the subscription may not be there yet when it is read."""
    assert verdict(connect, write, Replica.HISTORY) is ExploreVerdict.LOSES


@pytest.mark.parametrize(
    ("connect", "write"),
    [
        *(("sequence_gap_fill", write) for write in PUBSUB_WRITES),
        *(("positioned_merge", write) for write in PUBSUB_WRITES),
        ("redis_streams", "stream_append"),
    ],
)
@pytest.mark.parametrize("replica", Replica)
def test_who_asks_again_and_who_has_one_source_survives(
    connect: str, write: str, replica: Replica
) -> None:
    assert verdict(connect, write, replica, chunks=2) is ExploreVerdict.LOSSLESS


@pytest.mark.parametrize(("connect", "write"), PAIRS, ids=PAIR_NAMES)
def test_both_on_one_replica_is_a_store_that_is_late(
    connect: ConnectOrdering, write: WriteOrdering
) -> None:
    cell = ExploreCell(connect, write, chunks=2, replica=Replica.ALL)
    assert explore(cell).verdict == explore(ExploreCell(connect, write, chunks=2)).verdict


@pytest.mark.parametrize("replica", Replica)
def test_who_asks_again_has_everything_in_the_end(replica: Replica) -> None:
    cell = ExploreCell(
        CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["atomic_lua"], replica=replica
    )
    assert in_the_end(cell).verdict is InTheEnd.CONVERGES


JOIN = """
    node1.join1 subscribe
    store subscription
    node1.join1 confirmed
    node1.join1 read_history
    node1.join1 send_history
    node1.join1 release
    node1.join1 send_welcome
"""


def lost_after(fault: str, steps: str) -> tuple[int, ...]:
    """What a client lacks that joins after these steps of one chunk."""
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(merge, lua, chunks=1, faults=(fault,), replica=Replica.HISTORY)
    world = World(cell)
    joined = replay(world, (*schedule(steps), *schedule(JOIN)))[-1]
    return world.outcome(joined).lost[0]


def test_what_is_evicted_at_the_primary_is_on_the_replica_for_a_while() -> None:
    wrote = "producer number_save_and_publish 1\nstore evict\nstore replicate 1"
    assert lost_after("evict", wrote) == ()
    assert lost_after("evict", wrote + "\nstore replicate") == (1,)


def test_nothing_is_replicated_of_what_changed_nothing() -> None:
    world = World(ExploreCell(*PAIRS[0], chunks=1, faults=("trim",), replica=Replica.HISTORY))
    assert [*world.optional_moves(world.initial())] == []


@pytest.mark.parametrize("fault", ["evict", "evict_key", "trim"])
@pytest.mark.parametrize("replica", Replica)
def test_what_the_store_has_lost_no_replica_keeps(fault: str, replica: Replica) -> None:
    fill, lua = CONNECT_ORDERINGS["sequence_gap_fill"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(fill, lua, chunks=2, faults=(fault,), replica=replica)
    assert explore(cell).verdict is ExploreVerdict.LOSES


@pytest.mark.parametrize("fault", ["store_failover", "stale_read"])
def test_a_fault_that_has_a_replica_of_its_own_is_refused_beside_one(fault: str) -> None:
    cell = ExploreCell(*PAIRS[0], chunks=1, faults=(fault,), replica=Replica.ALL)
    with pytest.raises(UsageError, match="--replica: not with a failover or a stale read"):
        explore(cell)


# --- a second model: every order of a few events, and the law ----------------------------------


def orders(todo: dict[str, list[str]], done: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every order of events; of each is known what has to come before it."""
    if len(done) == len(todo):
        yield done
    for event, before in todo.items():
        if event not in done and all(other in done for other in before):
            yield from orders(todo, (*done, event))


def second_opinion(subscribes_first: bool, write: list[str], replica: Replica | None) -> bool:
    """Whether one chunk can be lost: published before the subscription, saved after the read.

    `write` is publish and save in their order, or both as one event. A replica does them later.
    """
    at_primary = {event: write[:place] for place, event in enumerate(write)}
    at_replica = {
        f"replica {event}": [event, *(f"replica {other}" for other in write[:place])]
        for place, event in enumerate(write)
    }
    join = (
        {"subscribe": [], "read": ["subscribe"]}
        if subscribes_first
        else {"read": [], "subscribe": ["read"]}
    )
    both = len(write) == 1
    published, saved = (write[0], write[0]) if both else ("publish", "save")
    heard = f"replica {published}" if replica is Replica.ALL else published
    readable = saved if replica is None else f"replica {saved}"
    return any(
        order.index(heard) < order.index("subscribe")
        and order.index(readable) > order.index("read")
        for order in orders(at_primary | at_replica | join)
    )


WRITES = {
    "publish_then_save": ["publish", "save"],
    "save_then_publish": ["save", "publish"],
    "atomic_multi": ["both"],
    "atomic_lua": ["both"],
}


@pytest.mark.parametrize("replica", [None, *Replica], ids=str)
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("connect", ["history_then_subscribe", "buffered_merge"])
def test_a_second_model_agrees(connect: str, write: str, replica: Replica | None) -> None:
    loses = second_opinion(connect == "buffered_merge", WRITES[write], replica)
    assert (verdict(connect, write, replica, chunks=1) is ExploreVerdict.LOSES) == loses


# --- schedules, and what does not go together --------------------------------------------------


def test_a_schedule_remembers_the_replica_and_is_not_for_one_real_store(
    call: Call, tmp_path: Path
) -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    example = explore(ExploreCell(merge, lua, replica=Replica.HISTORY)).counterexample
    assert example is not None
    assert [step.effect for step in example.steps].count("replicate") == 1
    dump(example, tmp_path / "lost.json")
    assert load(tmp_path / "lost.json") == example
    done = call("reproduce", "--schedule", tmp_path / "lost.json")
    assert done.returncode == 2
    assert "lost.json: replica history: explored only" in done.stderr


def test_the_command_takes_a_replica(call: Call) -> None:
    pairing = ("--connect", "buffered_merge", "--write", "atomic_lua")
    done = call("explore", *pairing, "--replica", "history")
    assert "3 chunks, 1 client, a replica for history" in done.stdout
    assert "a replica catches up on 1" in done.stdout
    wrong = call("explore", "--replica", "half")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "chunk7 explore: error: --replica half: one of history, all\n",
    )
