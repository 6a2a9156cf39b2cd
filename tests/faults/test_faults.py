"""When each fault may strike, and what comes of it: literal situations, compared whole."""

from chunk7.delivery.store import Key
from chunk7.faults import EFFECTS, FAULTS, SAME_AS, SPELLS, STRIKES
from chunk7.faults.fault import (
    ClientView,
    Deafen,
    Die,
    Disconnect,
    DropNext,
    Forget,
    Lag,
    Leave,
    LoseReply,
    Outage,
    Rejoin,
    RollBack,
    Situation,
    StartOver,
    Strike,
    TrimTo,
    WriteView,
)

ABSENT = ClientView(node=0, begun=False, joined=False, listening=False)
JOINING = ClientView(node=0, begun=True, joined=False, listening=True)
JOINED = ClientView(node=0, begun=True, joined=True, listening=True)


def strikes(name: str, *clients: ClientView, writing: int | None = None) -> list[Strike]:
    writes = () if writing is None else (WriteView(0, "producer", writing),)
    return list(STRIKES[name].strikes(Situation(clients, writes)))


def test_every_fault_is_registered_by_its_name_and_has_an_ability() -> None:
    assert all(name == fault.name for name, fault in FAULTS.items())
    assert STRIKES.keys() | SPELLS.keys() | SAME_AS.keys() >= FAULTS.keys()


def test_what_has_no_schedules_of_its_own_names_what_has() -> None:
    assert not SAME_AS.keys() & STRIKES.keys()
    assert {other for other in SAME_AS.values() if other} <= STRIKES.keys()


def test_a_client_leaves_only_where_others_stay() -> None:
    assert strikes("client_leave", JOINED) == strikes("client_leave_popping", JOINED) == []
    assert strikes("client_leave", JOINING, ABSENT, JOINED._replace(node=1)) == [
        Strike("node1.join1", "leave", None, (Leave(0),)),
        Strike("node2.join3", "leave", None, (Leave(2),)),
    ]


def test_who_leaves_with_what_it_popped_was_listening() -> None:
    begun = JOINING._replace(listening=False)
    assert strikes("client_leave_popping", begun, JOINED) == [
        Strike("node1.join2", "leave_popping", None, (DropNext(0), Leave(1))),
    ]


def test_no_two_faults_share_a_step() -> None:
    assert len(EFFECTS) == sum(len(fault.effects) for fault in STRIKES.values())


def test_what_strikes_is_worded() -> None:
    for name, fault in STRIKES.items():
        struck = strikes(name, JOINING, JOINED, writing=1)
        assert struck
        assert {strike.effect for strike in struck} <= fault.effects.keys()


def test_an_append_that_nobody_answered_may_share_a_millisecond() -> None:
    append = WriteView(0, "producer", 2, may_share_ms=True)
    [_, _, shared] = STRIKES["producer_timeout"].strikes(Situation((), (append,)))
    lost = LoseReply(0, 2, executed=True, same_ms=True)
    assert shared == Strike("producer", "timeout_executed_same_ms", 2, (lost,))


def test_a_node_that_has_begun_to_serve_dies_with_all_who_were_coming_to_it() -> None:
    assert strikes("node_kill", ABSENT) == []
    assert strikes("node_kill", JOINED, ABSENT) == [
        Strike("node1", "node_crash", None, (Rejoin(0, 1), Rejoin(1, 1), Disconnect(0)))
    ]


def test_a_slow_client_takes_the_subscription_along_unless_it_is_shared() -> None:
    assert strikes("slow_client", JOINED, ABSENT) == [
        Strike("node1.join1", "slow_client", None, (Rejoin(0, 1), Disconnect(0)))
    ]
    alone, other = strikes("slow_client", JOINED, JOINING)
    assert (alone.consequences, other.consequences) == ((Rejoin(0, 1),), (Rejoin(1, 1),))


def test_a_lost_store_ends_joins_under_way_and_is_subscribed_again_for_the_others() -> None:
    assert strikes("store_kill_pubsub", ABSENT) == []
    assert strikes("store_kill_pubsub", JOINING) == [
        Strike("node1", "store_reconnect", None, (Rejoin(0, 0), Disconnect(0)))
    ]
    assert strikes("store_kill_pubsub", JOINED, JOINING) == [
        Strike("node1", "store_reconnect", None, (Rejoin(1, 0), Disconnect(0, resubscribes=True)))
    ]


def test_a_store_that_restarts_is_a_lost_store_for_every_node() -> None:
    elsewhere = JOINED._replace(node=1)
    everywhere = (
        Rejoin(0, 0),
        Disconnect(0, resubscribes=False),
        Disconnect(1, resubscribes=True),
    )
    assert strikes("store_restart", ABSENT) == []
    assert strikes("store_restart", JOINING, elsewhere) == [
        Strike("store", "store_restart", None, everywhere)
    ]
    assert strikes("store_restart_empty", JOINING, elsewhere) == [
        Strike("store", "store_restart_empty", None, (Forget(), *everywhere))
    ]
    assert strikes("store_failover", JOINING, elsewhere) == [
        Strike("store", "store_failover", None, (RollBack(), *everywhere))
    ]


def test_keys_may_be_evicted_at_any_moment() -> None:
    assert strikes("evict") == [Strike("store", "evict", None, (Forget(),))]


def test_keys_expire_in_mid_session_only() -> None:
    assert strikes("expire") == []
    [expired], [evicted] = strikes("expire", writing=2), strikes("evict", writing=2)
    assert expired == Strike("store", "expire", None, (Forget(),))
    assert expired.consequences == evicted.consequences


def test_one_key_may_be_evicted_and_the_others_stay() -> None:
    assert strikes("evict_key") == [
        Strike("store", "evict_history", None, (Forget(Key.HISTORY),)),
        Strike("store", "evict_stream", None, (Forget(Key.STREAM),)),
        Strike("store", "evict_counter", None, (Forget(Key.COUNTER),)),
    ]


def test_a_failover_may_undo_several_writes_and_turn_the_clock_back() -> None:
    assert strikes("store_failover_behind", JOINING) == [
        Strike("store", "failover_2_behind", None, (RollBack(2), Rejoin(0, 0), Disconnect(0))),
        Strike("store", "failover_3_behind", None, (RollBack(3), Rejoin(0, 0), Disconnect(0))),
        Strike(
            "store",
            "failover_clock_behind",
            None,
            (RollBack(clock_behind=True), Rejoin(0, 0), Disconnect(0)),
        ),
    ]


def test_a_replica_is_behind_by_one_chunk_or_by_any_number() -> None:
    [one], [any_number] = (strikes(n, ABSENT, writing=2) for n in ("stale_read", "stale_read_any"))
    assert (one.consequences, any_number.consequences) == ((Lag(0),), (Lag(0, None),))
    assert (Lag(0).since(2, chunks=9), Lag(0, None).since(2, chunks=9)) == (2, 9)


def test_a_node_goes_deaf_where_somebody_listens() -> None:
    assert strikes("deaf_node", ABSENT) == []
    assert strikes("deaf_node", JOINED, JOINING) == [
        Strike("node1", "deaf_node", None, (Deafen(0),))
    ]


def test_a_node_may_be_deaf_for_ever_before_anybody_listens() -> None:
    assert strikes("deaf_node_for_ever", ABSENT, JOINED) == [
        Strike("node1", "deaf_for_ever", None, (Deafen(0, for_ever=True),))
    ]


def test_all_nodes_where_somebody_listens_may_go_deaf_in_one_event() -> None:
    assert strikes("deaf_all_nodes", ABSENT) == []
    assert strikes("deaf_all_nodes", JOINED._replace(node=1), JOINING, ABSENT) == [
        Strike("store", "deaf_all", None, (Deafen(0), Deafen(1)))
    ]


def test_a_read_is_stale_only_of_what_is_being_written() -> None:
    assert strikes("stale_read", JOINING) == []
    assert strikes("stale_read", ABSENT, writing=1) == [
        Strike("node1", "stale_read", None, (Lag(0),))
    ]


def test_a_storm_takes_all_who_have_a_connection_and_nobody_else() -> None:
    assert strikes("client_reconnect_storm", ABSENT) == []
    assert strikes("client_reconnect_storm", JOINED, ABSENT) == [
        Strike("node1", "client_reconnect_storm", None, (Rejoin(0, 1), Disconnect(0)))
    ]
    assert strikes("client_reconnect_storm", JOINED._replace(node=1), JOINING) == [
        Strike(
            "node1",
            "client_reconnect_storm",
            None,
            (Rejoin(0, 2), Rejoin(1, 1), Disconnect(0), Disconnect(1)),
        )
    ]


def test_a_node_that_drains_sends_everybody_on() -> None:
    [drained] = strikes("node_drain", JOINED, ABSENT)
    [killed] = strikes("node_kill", JOINED, ABSENT)
    assert drained == killed._replace(effect="node_drain")


def test_a_trim_may_come_at_any_moment() -> None:
    assert strikes("trim") == [Strike("store", "trim", None, (TrimTo(1),))]


def test_a_producer_may_hear_nothing_of_what_was_done_or_not() -> None:
    assert strikes("producer_timeout") == []
    assert strikes("producer_timeout", writing=2) == [
        Strike("producer", "timeout_not_executed", 2, (LoseReply(0, 2, executed=False),)),
        Strike("producer", "timeout_executed", 2, (LoseReply(0, 2, executed=True),)),
    ]


def test_each_write_under_way_may_stay_without_a_reply() -> None:
    open_writes = (WriteView(0, "producer", 3), WriteView(1, "producer2", 2))
    struck = STRIKES["producer_timeout"].strikes(Situation((), open_writes))
    assert [strike[:3] for strike in struck] == [
        ("producer", "timeout_not_executed", 3),
        ("producer", "timeout_executed", 3),
        ("producer2", "timeout_not_executed", 2),
        ("producer2", "timeout_executed", 2),
    ]


def test_a_producer_dies_while_it_has_something_to_write() -> None:
    assert strikes("producer_crash") == strikes("producer_zombie") == []
    assert strikes("producer_crash", writing=2) == [
        Strike("producer", "producer_crash", None, (Die(0),)),
        Strike("producer", "producer_restart", None, (StartOver(0),)),
    ]
    assert strikes("producer_zombie", writing=2) == [
        Strike("producer", "producer_zombie", None, (StartOver(0, zombie=True),)),
    ]


def test_each_producer_may_die_but_a_zombie_has_been_replaced_already() -> None:
    writes = (
        WriteView(0, "producer", 1),
        WriteView(0, "producer", 3),
        WriteView(1, "producer2", 2),
        WriteView(2, "zombie", 1, zombie=True),
    )
    struck = STRIKES["producer_zombie"].strikes(Situation((), writes))
    assert [strike.actor for strike in struck] == ["producer", "producer2"]


def test_what_a_node_is_without_in_virtual_time() -> None:
    assert {name: fault.outage for name, fault in SPELLS.items()} == {
        "store_kill_pubsub": Outage.SUBSCRIPTION,
        "deaf_node": Outage.SUBSCRIPTION,
        "node_kill": Outage.NODE,
        "node_drain": Outage.NODE,
    }
