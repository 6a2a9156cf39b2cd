"""What each fault does to the orderings that are lossless without it."""

from dataclasses import replace
from functools import cache

import pytest
from explore_kit import PAIRS
from foreign_kit import newest_and_fill, no_history
from mutants.mutant import schedule

from chunk7.delivery.ordering import ClientPolicy
from chunk7.faults import STRIKES
from chunk7.faults.fault import StrikesOthers
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import ExploreVerdict, explore
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World, replay

WIDEST = ("producer_zombie", "store_failover_behind")


@cache  # asked for with every fault
def calm(cell: ExploreCell) -> ExploreVerdict:
    """Without a fault."""
    return explore(cell).verdict


def survivors(fault: str) -> set[str]:
    """The connect orderings that lose nothing under it, with any producer safe without it.

    Whether the client, when it has to join again, resumes or starts over; of two clients those who
    stay. Under the widest faults the producers of one command only: others have a hundred times as
    many states.
    """
    verdicts: dict[str, set[str]] = {}
    for connect, write in PAIRS:
        if verdicts.get(connect.name, {"lossless"}) != {"lossless"}:
            continue  # one producer under whom it loses is enough
        if fault in WIDEST and write.name not in ("atomic_lua", "stream_append"):
            continue
        others = isinstance(STRIKES[fault], StrikesOthers)
        cell = ExploreCell(connect, write, *((1, 2) if others else (2, 1)))
        if calm(cell) == ExploreVerdict.LOSSLESS:
            for struck in replace(cell, faults=(fault,)).with_each_client():
                verdicts.setdefault(connect.name, set()).add(str(explore(struck).verdict))
    return {name for name, words in verdicts.items() if words == {"lossless"}}


NOBODY: set[str] = set()
RECOVERING = {"redis_streams", "sequence_gap_fill", "positioned_merge"}
ALL_SAFE = {*RECOVERING, "subscribe_then_history", "buffered_merge"}
SURVIVORS = {
    "store_kill_pubsub": RECOVERING,
    "store_restart": RECOVERING,
    "store_restart_empty": NOBODY,
    "store_failover": NOBODY,
    "store_failover_behind": NOBODY,
    "deaf_node": RECOVERING,
    "deaf_node_for_ever": RECOVERING,
    "deaf_all_nodes": RECOVERING,
    "stale_read": RECOVERING,
    "stale_read_any": RECOVERING,
    "evict": NOBODY,
    "evict_key": NOBODY,
    "expire": NOBODY,
    "trim": NOBODY,
    "node_kill": ALL_SAFE,
    "node_drain": ALL_SAFE,
    "slow_client": ALL_SAFE,
    "client_reconnect_storm": ALL_SAFE,
    "client_leave": ALL_SAFE,
    "client_leave_popping": RECOVERING,
    "producer_timeout": ALL_SAFE,
    "producer_crash": ALL_SAFE,
    "producer_zombie": ALL_SAFE,
}


@pytest.mark.parametrize(("fault", "survive"), SURVIVORS.items())
def test_who_survives(fault: str, survive: set[str]) -> None:
    assert survivors(fault) == survive


def test_every_fault_is_tested_above() -> None:
    assert SURVIVORS.keys() == STRIKES.keys()


def test_a_hole_that_cannot_be_filled_does_not_hide_one_that_can() -> None:
    """Chunk 1 took a number and was never written; chunk 3 is fetched all the same."""
    gap_fill = CONNECT_ORDERINGS["sequence_gap_fill"]
    cell = ExploreCell(gap_fill, WRITE_ORDERINGS["atomic_multi"], faults=("producer_timeout",))
    assert explore(cell).verdict == ExploreVerdict.LOSSLESS


def test_two_faults_may_both_strike() -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    one, other, both = (
        explore(ExploreCell(merge, lua, chunks=2, faults=faults)).search.tally.schedules
        for faults in (("slow_client",), ("trim",), ("slow_client", "trim"))
    )
    assert both > max(one, other)


def test_a_chunk_without_a_known_outcome_is_not_lost() -> None:
    bug, multi = CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["atomic_multi"]
    world = World(ExploreCell(bug, multi, chunks=1, faults=("producer_timeout",)))
    steps = schedule(
        """
        producer next_seq 1
        producer timeout_not_executed 1
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 send_welcome
        """
    )
    assert world.outcome(replay(world, steps)[-1]).lost == ((),)


def test_who_rejoins_at_another_node_takes_nothing_along_from_the_first() -> None:
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    world = World(ExploreCell(merge, lua, chunks=1, faults=("node_kill",)), receipts=True)
    steps = schedule(
        """
        node1.join1 subscribe
        store subscription
        producer number_save_and_publish 1
        node1 deliver 1
        node1 node_crash
        node2.join1 subscribe
        store subscription
        node2.join1 confirmed
        node2.join1 read_history
        node2.join1 send_history
        node2.join1 release
        node2.join1 send_welcome
        """
    )
    end = world.outcome(replay(world, steps)[-1])
    assert (end.receipts, end.lost) == (((1,),), ((),))


SAFE_WRITES = ("save_then_publish", "atomic_multi", "atomic_lua")
REJOINS = ("node_kill", "slow_client", "store_kill_pubsub")


@pytest.mark.parametrize("fault", REJOINS)
@pytest.mark.parametrize("write", SAFE_WRITES)
def test_a_client_that_resumes_is_sent_nothing_twice_by_a_node_that_merges(
    fault: str, write: str
) -> None:
    """Saved 1, got 1, came back after 1: the publication of 1 was still on its way there."""
    merge = CONNECT_ORDERINGS["buffered_merge"]
    cell = ExploreCell(merge, WRITE_ORDERINGS[write], chunks=2, faults=(fault,))
    tally = explore(cell).search.tally
    assert (tally.duplicating, tally.out_of_order) == (0, 0)
    assert explore(replace(cell, resumes=False)).search.tally.duplicating > 0


def test_nor_when_that_node_was_subscribed_already_and_is_behind() -> None:
    """One client goes ahead to the second node; the other follows when the first dies."""
    merge, lua = CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"]
    cell = ExploreCell(merge, lua, chunks=1, joiners=2, faults=("node_kill", "slow_client"))
    result = explore(cell)
    assert (result.verdict, result.search.tally.duplicating) == (ExploreVerdict.LOSSLESS, 0)


@pytest.mark.parametrize("fault", REJOINS)
def test_a_stream_that_is_resumed_doubles_nothing(fault: str) -> None:
    streams, append = CONNECT_ORDERINGS["redis_streams"], WRITE_ORDERINGS["stream_append"]
    tally = explore(ExploreCell(streams, append, chunks=3, faults=(fault,))).search.tally
    assert (tally.lossy, tally.duplicating, tally.out_of_order) == (0, 0, 0)


def test_a_gap_in_a_stream_is_filled_from_the_stream() -> None:
    """Nothing else fills it: without the client's asking the ordering loses."""
    append = WRITE_ORDERINGS["stream_append"]
    assert explore(ExploreCell(newest_and_fill, append)).verdict == ExploreVerdict.LOSSLESS
    silent = replace(newest_and_fill, client=ClientPolicy.TAKES_ALL)
    assert explore(ExploreCell(silent, append)).verdict == ExploreVerdict.LOSES


def test_a_client_that_is_sent_no_history_asks_for_nothing() -> None:
    """Neither the load test's nor the browser's does: such an ordering was called lossless."""
    lua = WRITE_ORDERINGS["atomic_lua"]
    assert explore(ExploreCell(no_history, lua, chunks=1)).verdict == ExploreVerdict.LOSES


def test_both_kinds_of_clients_are_explored_where_they_differ() -> None:
    def kinds(connect: str, *faults: str) -> list[bool]:
        cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS["atomic_lua"], faults=faults)
        return [each.resumes for each in cell.with_each_client()]

    assert all(kinds("buffered_merge", fault) == [True, False] for fault in REJOINS)
    assert kinds("buffered_merge") == kinds("buffered_merge", "trim") == [True]
    assert kinds("sequence_gap_fill", "slow_client") == [True]  # by its policy it resumes


BY_MERGE = ExploreCell(CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["atomic_lua"], chunks=1)


def lost(fault: str, *steps: str) -> tuple[int, ...]:
    world = World(replace(BY_MERGE, faults=(fault,)))
    taken = [step for some in steps for step in schedule(some)]
    return world.outcome(replay(world, tuple(taken))[-1]).lost[0]


SUBSCRIBES = """
    node1.join1 subscribe
    store subscription
    node1.join1 confirmed
    node1.join1 read_history
"""
THEN = """
    producer number_save_and_publish 1
    node1.join1 send_history
    node1.join1 release
    node1.join1 send_welcome
"""


def test_a_node_that_is_deaf_for_ever_is_confirmed_and_hears_nothing() -> None:
    assert lost("deaf_node_for_ever", "node1 deaf_for_ever", SUBSCRIBES, THEN) == (1,)


def test_one_that_has_yet_to_subscribe_cannot_go_deaf_until_then() -> None:
    world = World(replace(BY_MERGE, faults=("deaf_node",)))
    assert not [*world.optional_moves(world.initial())]


def test_nodes_may_all_go_deaf_in_one_event() -> None:
    assert lost("deaf_all_nodes", SUBSCRIBES, "store deaf_all", THEN) == (1,)


def test_a_session_expires_in_its_midst_and_not_when_it_is_over() -> None:
    world = World(replace(BY_MERGE, chunks=2, faults=("expire",)))
    first, second = (f"producer number_save_and_publish {chunk}" for chunk in (1, 2))
    midst, over = replay(world, schedule(f"{first}\n{second}"))[1:]
    assert [step.effect for step, _ in world.optional_moves(midst)] == ["expire"]
    assert not [*world.optional_moves(over)]
