"""Faults that take from the store what it had, each held to a literal schedule; known answers.

Three chunks of `sequence_gap_fill` under a failover take 5 to 30 s a pair: here they are two.
"""

import pytest
from mutants.mutant import schedule

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World, replay

WRITES = ("publish_then_save", "save_then_publish", "atomic_multi", "atomic_lua")
FAILOVERS = ("store_failover", "store_failover_behind")


def cell(connect: str, write: str, fault: str, chunks: int) -> ExploreCell:
    return ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], chunks, faults=(fault,))


@pytest.mark.parametrize("fault", FAILOVERS)
@pytest.mark.parametrize("write", WRITES)
def test_who_fills_gaps_loses_what_a_failover_has_lost_whoever_writes(
    write: str, fault: str
) -> None:
    found = explore(cell("sequence_gap_fill", write, fault, 2)).verdict
    assert found is ExploreVerdict.LOSES


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(("connect", "chunks"), [("sequence_gap_fill", 2), ("buffered_merge", 3)])
def test_when_counter_and_history_expire_in_mid_session_both_lose_whoever_writes(
    connect: str, chunks: int, write: str
) -> None:
    assert explore(cell(connect, write, "evict", chunks)).verdict is ExploreVerdict.LOSES


def lost(connect: str, write: str, fault: str, chunks: int, steps: str) -> tuple[int, ...]:
    steps = "\n".join(line for line in steps.splitlines() if line.strip())
    world = World(cell(connect, write, fault, chunks))
    return world.outcome(replay(world, schedule(steps))[-1]).lost[0]


JOIN = """
    node1.join1 subscribe
    store subscription
    node1.join1 confirmed
    node1.join1 read_history
    node1.join1 send_history
    node1.join1 release
    node1.join1 send_welcome
"""
WRITE = "producer number_save_and_publish"


@pytest.mark.parametrize(
    ("effect", "missing"), [("failover_2_behind", (1, 2)), ("failover_3_behind", (1, 2, 3))]
)
def test_a_failover_undoes_as_many_writes_as_it_says(effect: str, missing: tuple[int, ...]) -> None:
    wrote = "".join(f"{WRITE} {number}\n" for number in missing)
    steps = wrote + f"store {effect}\n" + f"{WRITE} {len(missing) + 1}" + JOIN
    chunks = len(missing) + 1
    found = lost("buffered_merge", "atomic_lua", "store_failover_behind", chunks, steps)
    assert found == missing


@pytest.mark.parametrize(
    ("fault", "effect", "missing"),
    [
        ("store_failover", "store_failover", ()),
        ("store_failover_behind", "failover_clock_behind", (2,)),
    ],
)
def test_an_id_that_is_given_out_again_is_behind_who_has_read_up_to_it(
    fault: str, effect: str, missing: tuple[int, ...]
) -> None:
    """The reader has chunk 1; with the clock behind chunk 2 gets the id that chunk 1 had."""
    steps = f"""
        producer next_seq 1
        producer append 1
        node1.join1 read_stream
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        store {effect}
        producer next_seq 2
        producer append 2
        {"" if missing else "node1.join1 tail"}
    """
    assert lost("redis_streams", "stream_append", fault, 2, steps) == missing


def test_without_its_counter_a_session_numbers_from_1_again_and_keeps_its_history() -> None:
    """The second chunk is 1 as well: who merges has a 1, and drops it."""
    steps = f"{WRITE} 1\n" + JOIN + f"store evict_counter\n{WRITE} 2\nnode1 deliver 2"
    assert lost("buffered_merge", "atomic_lua", "evict_key", 2, steps) == (2,)


def test_without_its_history_a_session_goes_on_counting() -> None:
    steps = f"{WRITE} 1\nstore evict_history\n{WRITE} 2" + JOIN
    assert lost("buffered_merge", "atomic_lua", "evict_key", 2, steps) == (1,)


def test_a_replica_may_be_behind_by_two_chunks() -> None:
    steps = f"""
        node1 stale_read_any
        {WRITE} 1
        {WRITE} 2
    """
    assert lost("buffered_merge", "atomic_lua", "stale_read_any", 2, steps + JOIN) == (1, 2)
    one = steps.replace("stale_read_any", "stale_read")
    assert lost("buffered_merge", "atomic_lua", "stale_read", 2, one + JOIN) == ()
