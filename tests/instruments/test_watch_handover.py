"""Histories as MONITOR tells them, and what must be said of every join in them.

`node1` reads and `node2` subscribes, both of one process; `ai` produces. Times are milliseconds.
"""

import pytest
from monitor_kit import EPOCH_S, found, history, lags_ms, line, told, verdicts

from chunk7.instruments.watch.handover import (
    AGAIN,
    AMBIGUOUS,
    GROUP,
    LOST,
    LUCKY,
    NO_SUBSCRIPTION,
    ORDERED,
    UNCONFIRMED,
    UNMATCHED,
)
from chunk7.instruments.watch.handover import UNKNOWN_VERDICT as UNKNOWN
from chunk7.instruments.watch.patterns import patterns

H, C = "chat:history:s", "chat:stream:s"


def test_the_bug_loses_what_is_published_in_the_window() -> None:
    """The bug report's T1 to T5: chunk 7 is published and saved between read and subscription."""
    lines = history(f"""
        1.0  ai1   RPUSH {H} six
        1.1  ai1   PUBLISH {C} six
        10.0 node1 LRANGE {H} 0 -1
        11.0 ai1   PUBLISH {C} seven
        11.5 ai1   RPUSH {H} seven
        12.0 node2 SUBSCRIBE {C}
        13.0 ai1   PUBLISH {C} eight
        13.5 ai1   RPUSH {H} eight
    """)
    seen = found(lines)
    [join] = seen.joins
    assert told(join) == ("s", LOST, 2.0, [2], None)
    assert lags_ms(seen.chunks) == [-0.1, 0.5, 0.5]
    assert (join.raced, join.ambiguous) == (True, False)
    assert (join.lag_us, join.gap_us) == (500.0, 2_500.0)


def test_a_join_that_nothing_fell_into_was_lucky() -> None:
    assert verdicts(f"""
        1  ai1   PUBLISH {C} one
        2  ai1   RPUSH {H} one
        10 node1 LRANGE {H} 0 -1
        12 node2 SUBSCRIBE {C}
    """) == [("s", LUCKY, 2.0, [], None)]


def test_subscribing_first_still_loses_what_is_published_before_it_is_saved() -> None:
    """The fix everybody makes first, with a producer that publishes, then saves."""
    assert verdicts(f"""
        9.0  ai1   PUBLISH {C} one
        10.0 node2 SUBSCRIBE {C}
        10.2 node1 LRANGE {H} 0 -1
        11.0 ai1   RPUSH {H} one
    """) == [("s", LOST, -0.2, [1], None)]


def test_subscribing_first_is_lucky_while_chunks_are_published_before_they_are_saved() -> None:
    assert verdicts(f"""
        1.0  ai1   PUBLISH {C} one
        2.0  ai1   RPUSH {H} one
        10.0 node2 SUBSCRIBE {C}
        10.2 node1 LRANGE {H} 0 -1
    """) == [("s", LUCKY, -0.2, [], None)]


RIGHT = """
    1.0  ai1   RPUSH chat:history:s one
    2.0  ai1   PUBLISH chat:stream:s one
    10.0 {subscriber} SUBSCRIBE chat:stream:s
    10.2 node1 LRANGE chat:history:s 0 -1
"""


def test_the_right_order_is_unknown_because_nobody_sees_whether_it_was_awaited() -> None:
    """An unconfirmed SUBSCRIBE that came first by luck looks just the same."""
    assert verdicts(RIGHT.format(subscriber="node2")) == [("s", UNKNOWN, -0.2, [], UNCONFIRMED)]


def test_the_right_order_on_one_connection_is_the_stores_own() -> None:
    """RESP3, or a pipeline: the store executes a connection's commands as they were sent."""
    assert verdicts(RIGHT.format(subscriber="node1")) == [("s", ORDERED, -0.2, [], None)]


def test_connections_of_a_unix_socket_cannot_be_told_apart() -> None:
    lines = [
        line(1, "unix:/s", "RPUSH", H, "one"),
        line(2, "unix:/s", "PUBLISH", C, "one"),
        line(10, "unix:/s", "SUBSCRIBE", C),
        line(11, "unix:/s", "LRANGE", H, "0", "-1"),
    ]
    assert [told(j) for j in found(lines).joins] == [("s", UNKNOWN, -1.0, [], UNCONFIRMED)]


def test_two_clients_of_a_unix_socket_subscribe_each_for_itself() -> None:
    """Their lines look like one connection's that subscribes again, and it is not."""
    joins = found(
        [
            line(10, "unix:/s", "LRANGE", H, "0", "-1"),
            line(11, "unix:/s", "SUBSCRIBE", C),
            line(900, "unix:/s", "LRANGE", H, "0", "-1"),
            line(901, "unix:/s", "SUBSCRIBE", C),
        ]
    ).joins
    assert [told(join) for join in joins] == [("s", LUCKY, 1.0, [], None)] * 2


@pytest.mark.parametrize(
    "written",
    [
        f"""
        10.1 ai1 MULTI
        10.3 ai1 PUBLISH {C} one
        10.4 ai1 RPUSH {H} one
        10.5 ai1 EXEC
        """,
        f"""
        10.2 ai1 EVALSHA abc 2 {H} {C} one
        10.3 lua publish {C} one
        10.4 lua rpush {H} one
        """,
    ],
    ids=["MULTI", "lua"],
)
def test_writes_in_one_step_have_no_lag_whatever_their_order(written: str) -> None:
    """Their lines are microseconds apart, but nobody's command can come between."""
    before = f"10.0 node1 SUBSCRIBE {C}\n"
    after = f"11.0 node1 LRANGE {H} 0 -1"
    seen = found(history(before + written + after))
    assert lags_ms(seen.chunks) == [0.0]
    assert [told(join) for join in seen.joins] == [("s", ORDERED, -1.0, [], None)]


def test_a_read_in_a_script_is_its_callers() -> None:
    assert verdicts(f"""
        1    ai1   RPUSH {H} one
        2    ai1   PUBLISH {C} one
        10   node1 SUBSCRIBE {C}
        10.9 node1 EVAL script 1 {H}
        11   lua   lrange {H} 0 -1
    """) == [("s", ORDERED, -1.0, [], None)]


def test_a_second_client_of_a_shared_subscription_is_unknown() -> None:
    """It sends a read and nothing else; what its process does with it nobody sees."""
    assert verdicts(f"""
        10  node1 LRANGE {H} 0 -1
        11  node2 SUBSCRIBE {C}
        900 node1 LRANGE {H} 0 -1
    """) == [("s", LUCKY, 1.0, [], None), ("s", UNKNOWN, None, [], NO_SUBSCRIPTION)]


def test_subscribing_again_to_the_same_channel_changes_nothing_at_the_store() -> None:
    """redis-py's shared PubSub sends SUBSCRIBE for each client."""
    assert verdicts(f"""
        10   node1 LRANGE {H} 0 -1
        11   node2 SUBSCRIBE {C}
        900  node1 LRANGE {H} 0 -1
        901  node2 SUBSCRIBE {C}
        1900 node2 UNSUBSCRIBE {C}
        2900 node1 LRANGE {H} 0 -1
        2901 node2 SUBSCRIBE {C}
    """) == [
        ("s", LUCKY, 1.0, [], None),
        ("s", UNKNOWN, None, [], AGAIN),
        ("s", LUCKY, 1.0, [], None),
    ]


def test_an_address_that_connects_anew_is_not_subscribed_any_more() -> None:
    assert (
        verdicts(f"""
        10   node1 LRANGE {H} 0 -1
        11   node2 SUBSCRIBE {C}
        900  node2 HELLO 3
        910  node1 LRANGE {H} 0 -1
        911  node2 SUBSCRIBE {C}
    """)
        == [("s", LUCKY, 1.0, [], None)] * 2
    )


def test_two_reads_that_could_be_the_subscriptions_make_it_ambiguous() -> None:
    lines = history(f"""
        10.0 node1 LRANGE {H} 0 -1
        10.3 node1 LRANGE {H} 0 -1
        10.9 ai1   PUBLISH {C} one
        10.9 ai1   RPUSH {H} one
        11.0 node2 SUBSCRIBE {C}
    """)
    joins = found(lines).joins
    assert [told(join) for join in joins] == [
        ("s", UNKNOWN, None, [], NO_SUBSCRIPTION),
        ("s", UNKNOWN, 0.7, [1], AMBIGUOUS),
    ]
    assert [join.ambiguous for join in joins] == [False, True]


def test_each_process_is_paired_with_itself_by_what_its_connections_did_before() -> None:
    """Two processes of one host join at the same time, each with its own two connections."""
    before = "".join(
        f"""
        {at}     node1 LRANGE chat:history:a{at} 0 -1
        {at}.5   node2 SUBSCRIBE chat:stream:a{at}
        {at + 50}   node3 LRANGE chat:history:b{at} 0 -1
        {at + 50}.5 node4 SUBSCRIBE chat:stream:b{at}
        """
        for at in (100, 200, 300)
    )
    assert verdicts(f"""{before}
        1000.0 node1 LRANGE {H} 0 -1
        1000.1 node3 LRANGE {H} 0 -1
        1000.5 node2 SUBSCRIBE {C}
        1000.8 node4 SUBSCRIBE {C}
    """)[-2:] == [("s", LUCKY, 0.5, [], None), ("s", LUCKY, 0.7, [], None)]


def test_a_connection_that_read_before_it_subscribed_is_its_own_partner_once() -> None:
    """redis-py's first PubSub takes the pool's only connection, which has just read."""
    later = "".join(
        f"""
        {at}   node2 LRANGE chat:history:{at} 0 -1
        {at}.5 node1 SUBSCRIBE chat:stream:{at}
        """
        for at in range(100, 800, 100)
    )
    first = f"""
        10   node1 LRANGE {H} 0 -1
        10.5 node1 SUBSCRIBE {C}
    """
    assert {verdict for _, verdict, *_ in verdicts(first + later)} == {LUCKY}


def test_a_read_of_another_host_is_not_this_subscriptions() -> None:
    assert verdicts(f"""
        10.0 node1 LRANGE {H} 0 -1
        10.9 web1  LRANGE {H} 0 -1
        11.0 node2 SUBSCRIBE {C}
    """) == [("s", LUCKY, 1.0, [], None), ("s", UNKNOWN, None, [], NO_SUBSCRIPTION)]


def test_one_subscribe_of_many_channels_serves_each_session() -> None:
    assert verdicts("""
        10 node1 LRANGE chat:history:a 0 -1
        11 node1 LRANGE chat:history:b 0 -1
        13 node2 SUBSCRIBE chat:stream:a chat:stream:b
    """) == [("a", LUCKY, 3.0, [], None), ("b", LUCKY, 2.0, [], None)]


def test_a_pattern_of_one_session_is_a_subscription() -> None:
    assert verdicts(f"""
        10 node1 LRANGE {H} 0 -1
        11 node2 PSUBSCRIBE {C}
    """) == [("s", LUCKY, 1.0, [], None)]


def test_a_pattern_of_all_sessions_is_nobodys_own() -> None:
    assert verdicts(f"""
        10 node1 LRANGE {H} 0 -1
        11 node2 PSUBSCRIBE chat:stream:*
        20000 node1 LRANGE {H} 0 -1
    """) == [("s", UNKNOWN, 1.0, [], AMBIGUOUS), ("s", UNKNOWN, None, [], NO_SUBSCRIPTION)]


def test_sharded_channels_are_channels() -> None:
    assert verdicts(f"""
        10 node1 LRANGE {H} 0 -1
        11 ai1   SPUBLISH {C} one
        12 ai1   RPUSH {H} one
        13 node2 SSUBSCRIBE {C}
    """) == [("s", LOST, 3.0, [1], None)]


def test_the_same_session_in_another_database_is_another_history() -> None:
    """Channels are of all databases, keys of one."""
    assert verdicts(f"""
        10 1@node1 LRANGE {H} 0 -1
        11 1@ai1   PUBLISH {C} one
        12 1@ai1   RPUSH {H} one
        12 2@ai1   RPUSH {H} two
        12 1@ai1   PUBLISH {C} two
        13 1@node2 SUBSCRIBE {C}
    """) == [("s", LOST, 3.0, [1], None)]


def test_a_chunk_whose_save_was_not_seen_leaves_the_join_unknown() -> None:
    assert verdicts(f"""
        10 node1 LRANGE {H} 0 -1
        11 ai1   PUBLISH {C} one
        13 node2 SUBSCRIBE {C}
    """) == [("s", UNKNOWN, 3.0, [], UNMATCHED)]


def test_equal_payloads_are_brought_together_in_their_order() -> None:
    seen = found(
        history(f"""
        10 ai1 PUBLISH {C} la
        11 ai1 PUBLISH {C} la
        12 ai1 RPUSH {H} la
        15 ai1 RPUSH {H} la
    """)
    )
    assert lags_ms(seen.chunks) == [2.0, 4.0]


def test_json_that_names_message_and_index_needs_no_equal_bytes() -> None:
    lines = [
        line(10, "ai1", "PUBLISH", C, '{"type":"chunk","message_id":"m","index":7,"text":"x"}'),
        line(12, "ai1", "RPUSH", H, '{"index": 7, "message_id": "m", "role": "assistant"}'),
    ]
    [chunk] = found(lines).chunks
    assert (chunk.lag_us, chunk.payload.message_id, chunk.payload.index) == (2_000, "m", 7)


def test_bytes_with_quotes_and_zeros_are_payloads_like_any() -> None:
    payload = b'\x00"\\\xff\n'
    lines = [line(10, "ai1", "PUBLISH", C, payload), line(11, "ai1", "RPUSH", H, payload)]
    assert lags_ms(found(lines).chunks) == [1.0]


def test_a_log_without_clients_is_read_as_well() -> None:
    """The oldest form: no connection can be told from another."""
    lines = [
        b'%d.000000: ["lrange","chat:history:s","0","-1"]' % EPOCH_S,
        b'%d.001000: ["publish","chat:stream:s","one"]' % EPOCH_S,
        b'%d.002000: ["rpush","chat:history:s","one"]' % EPOCH_S,
        b'%d.003000: ["subscribe","chat:stream:s"]' % EPOCH_S,
    ]
    assert [told(j) for j in found(lines).joins] == [("s", LOST, 3.0, [1], None)]


# --- streams ---


def test_a_stream_read_on_from_its_cursor_has_no_window() -> None:
    assert verdicts(f"""
        1   ai1   XADD {C} * chunk one
        10  node1 XRANGE {C} - +
        11  ai1   XADD {C} * chunk two
        30  node2 XREAD COUNT 500 BLOCK 1000 STREAMS {C} {EPOCH_S}001-0
        40  node2 XREAD COUNT 500 BLOCK 1000 STREAMS {C} {EPOCH_S}011-0
    """) == [("s", ORDERED, 0.0, [], None)]


def test_a_stream_read_from_its_beginning_is_history_and_feed_in_one() -> None:
    assert verdicts(f"""
        10 node2 XREAD BLOCK 0 STREAMS {C} 0
        20 node2 XREAD BLOCK 0 STREAMS {C} {EPOCH_S}015-0
    """) == [("s", ORDERED, 0.0, [], None)]


def test_the_newest_entry_is_a_handover_like_a_subscription() -> None:
    """XRANGE, then XREAD from `$`: what is appended in between is nobody's."""
    assert verdicts(f"""
        10 node1 XRANGE {C} - +
        11 ai1   XADD {C} MAXLEN ~ 1000 * chunk one
        12 node2 XREAD BLOCK 1000 STREAMS {C} $
        13 ai1   XADD {C} * chunk two
        14 node2 XREAD BLOCK 1000 STREAMS {C} {EPOCH_S}013-0
    """) == [("s", LOST, 2.0, [1], None)]


def test_the_newest_entry_asked_for_again_loses_what_came_meanwhile() -> None:
    """The first read ends with the first entry, or with its time; the second begins too late."""
    assert verdicts(f"""
        10  node2 XREAD BLOCK 100 STREAMS {C} $
        11  node1 XRANGE {C} - +
        20  ai1   XADD {C} * chunk delivered
        21  ai1   XADD {C} * chunk lost
        22  node2 XREAD BLOCK 100 STREAMS {C} $
        130 ai1   XADD {C} * chunk lost-after-the-time
        131 node2 XREAD BLOCK 100 STREAMS {C} $
    """) == [("s", LOST, -1.0, [2, 3], None)]


def test_a_cursor_newer_than_the_read_skips_what_lies_between() -> None:
    """Somebody took the cursor from elsewhere than the history that was sent."""
    assert verdicts(f"""
        10 node1 XRANGE {C} - +
        20 ai1   XADD {C} {EPOCH_S}020-0 chunk one
        30 ai1   XADD {C} {EPOCH_S}030-0 chunk two
        40 node2 XREAD BLOCK 0 STREAMS {C} {EPOCH_S}020-0
    """) == [("s", LOST, 0.0, [1], None)]


def test_a_group_begins_where_it_was_created() -> None:
    assert verdicts(f"""
        10 node1 XRANGE {C} - +
        11 ai1   XADD {C} * chunk one
        12 node1 XGROUP CREATE {C} group $ MKSTREAM
        13 node1 XREADGROUP GROUP group me BLOCK 0 STREAMS {C} >
    """) == [("s", LOST, 2.0, [1], None)]


def test_a_group_older_than_the_recording_is_unknown() -> None:
    assert verdicts(f"""
        10 node1 XRANGE {C} - +
        13 node1 XREADGROUP GROUP group me BLOCK 0 STREAMS {C} >
    """) == [("s", UNKNOWN, None, [], GROUP)]


def test_a_stream_may_be_the_history_beside_a_channel() -> None:
    named = patterns(["log:{session_id}"], ["live:{session_id}"])
    assert verdicts(
        """
        10 node1 XRANGE log:s - +
        11 ai1   XADD log:s NOMKSTREAM MAXLEN = 100 * data one
        12 ai1   PUBLISH live:s one
        13 node2 SUBSCRIBE live:s
        """,
        named,
    ) == [("s", LOST, 3.0, [1], None)]


@pytest.mark.parametrize(
    "save",
    ["ZADD h:s NX 1 one", "HSET h:s 1 one", "SET h:s one EX 5", "SETEX h:s 5 one", "SADD h:s one"],
)
def test_histories_of_other_types_are_histories(save: str) -> None:
    named = patterns(["h:{session_id}"], ["c:{session_id}"])
    seen = found(history(f"1 ai1 PUBLISH c:s one\n2 ai1 {save}"), named)
    assert lags_ms(seen.chunks) == [1.0]
