"""The survival matrix: every pair under every fault, one fault at a time."""

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.exploration import Survival, survival
from chunk7.faults import STRIKES
from chunk7.faults.fault import StrikesOthers
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import SearchLimits
from chunk7.simulator.explore.state import ExploreCell
from chunk7.simulator.explore.world import World


@pytest.mark.parametrize(
    ("connect", "write", "verdict"),
    [
        ("subscribe_then_history", "atomic_lua", "loses"),
        ("buffered_merge", "atomic_lua", "loses"),
        ("sequence_gap_fill", "atomic_lua", "keeps"),
        ("positioned_merge", "atomic_lua", "keeps"),
        ("redis_streams", "stream_append", "keeps"),
    ],
)
def test_who_recovers_keeps_what_a_lost_subscription_has_passed_by(
    connect: str, write: str, verdict: str
) -> None:
    [row] = survival([connect], [write], ["store_kill_pubsub"])
    assert (row.verdict, row.loses_anyway) == (verdict, False)
    assert (row.schedule is not None) == (verdict == "loses")


@pytest.mark.parametrize(
    ("connect", "write"),
    [
        ("sequence_gap_fill", "atomic_lua"),
        ("positioned_merge", "atomic_lua"),
        ("redis_streams", "stream_append"),
    ],
)
def test_who_recovers_loses_only_what_the_store_has_lost(connect: str, write: str) -> None:
    losing = {row.fault for row in survival([connect], [write]) if row.verdict == "loses"}
    assert losing == {
        "store_restart_empty",
        "store_failover",
        "store_failover_behind",
        "evict",
        "evict_key",
        "expire",
        "trim",
    }


@pytest.mark.parametrize("fault", ["store_restart_empty", "store_failover", "evict", "trim"])
@pytest.mark.parametrize(
    ("connect", "write"),
    [
        ("sequence_gap_fill", "atomic_lua"),
        ("positioned_merge", "atomic_lua"),
        ("redis_streams", "stream_append"),
    ],
)
def test_who_joins_after_the_store_has_lost_it_can_have_it_from_nobody(
    connect: str, write: str, fault: str
) -> None:
    """No ordering could: once all is written and then gone, every continuation loses it."""
    cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], 2, 1, (fault,))
    world = World(cell)
    state = world.initial()
    while produced := [after for step, after in world.moves(state) if step.actor == "producer"]:
        state = produced[0]
    stack = [after for _, after in world.optional_moves(state)]
    assert stack
    seen, ends = set(stack), 0
    while stack:
        state = stack.pop()
        moves = world.moves(state)
        if not moves:
            ends += 1
            assert any(world.outcome(state).lost)
        new = {after for _, after in moves} - seen
        seen |= new
        stack += new
    assert ends > 0


def test_each_fault_strikes_by_itself_in_the_order_of_the_registry() -> None:
    rows = survival(["buffered_merge"], ["atomic_lua"], ["trim", "node_kill"])
    assert [(row.fault, row.verdict) for row in rows] == [("node_kill", "keeps"), ("trim", "loses")]
    assert rows[1].schedule is not None
    assert rows[1].schedule.faults == ("trim",)


def test_all_and_nothing_mean_every_fault_that_has_schedules() -> None:
    pair = ["redis_streams"], ["stream_append"]
    alone = [name for name, fault in STRIKES.items() if not isinstance(fault, StrikesOthers)]
    assert [row.fault for row in survival(*pair)] == alone
    assert survival(*pair, ["all"]) == survival(*pair)
    two = survival(*pair, chunks=1, joiners=2)
    assert [row.fault for row in two] == list(STRIKES)


def test_what_has_no_schedules_of_its_own_has_the_verdict_of_what_stands_for_it() -> None:
    faults = ["network_cut", "store_kill_pubsub", "store_pause"]
    rows = survival(["buffered_merge"], ["atomic_lua"], faults)
    assert [(row.fault, row.same_as, row.verdict) for row in rows] == [
        ("store_kill_pubsub", "store_kill_pubsub", "loses"),
        ("store_pause", None, "keeps"),
        ("network_cut", "store_kill_pubsub", "loses"),
    ]
    assert rows[0].schedule == rows[2].schedule


def test_what_loses_without_a_fault_says_so() -> None:
    [row] = survival(["history_then_subscribe"], ["atomic_lua"], ["node_kill"])
    assert (row.verdict, row.loses_anyway) == ("loses", True)
    assert row.schedule is not None
    assert row.schedule.faults == ()


def test_a_bound_makes_it_unknown() -> None:
    bound = SearchLimits(max_schedules=2)
    [row] = survival(["redis_streams"], ["stream_append"], ["node_kill"], limits=bound)
    assert row == Survival(
        "redis_streams", "stream_append", "node_kill", "node_kill", "unknown", "unknown", None
    )


def test_a_fault_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UsageError, match=r"--faults flood: one of node_kill, .* or all"):
        survival(faults=["flood"])
