"""The tables that processes record: columns by name, each with Arrow's word for its kind.

Instants are `chunk7.wire.clock.now_ns()`, columns end in their unit, null means it did not happen.
"""

SCHEMA_VERSION = "2"

_TEXT, _INT, _NS, _BIT = "string", "int64", "int64", "bool"


def _table(**columns: str) -> dict[str, str]:
    return columns


COLUMNS: dict[str, dict[str, str]] = {
    # Producer: one row a chunk, once its write ordering has ended (or failed).
    "published": _table(
        cell="int32",
        write=_TEXT,
        session_id=_TEXT,
        message_id=_TEXT,
        index="int32",
        seq="int32",  # 0: never numbered
        digest="uint32",  # chunk7.delivery.chunk.digest
        final=_BIT,
        intended_ns=_NS,
        started_ns=_NS,
        publish_sent_ns=_NS,
        publish_done_ns=_NS,  # null with publish_sent_ns set: outcome unknown
        save_sent_ns=_NS,
        save_done_ns=_NS,
        receivers="int32",
        error=_TEXT,
    ),
    # Node: one row a join, as soon as its connect ordering has ended (or failed).
    "joins": _table(
        connection_id=_INT,
        session_id=_TEXT,
        user_id=_TEXT,
        node=_TEXT,
        connect=_TEXT,
        after_seq="int32",
        accepted_ns=_NS,
        read_sent_ns=_NS,
        read_done_ns=_NS,
        history_count="int32",
        history_first_seq="int32",
        history_last_seq="int32",
        subscribe_sent_ns=_NS,
        subscribe_done_ns=_NS,  # confirmed by the store; null where nothing waited for it yet
        subscribe_shared=_BIT,  # the node already had the channel: sent = done = attached
        # For a stream followed from its newest entry: when following was asked for, and began.
        welcomed_ns=_NS,
        error=_TEXT,
    ),
    # Node: one row a connection, when it ends.
    "leaves": _table(
        connection_id=_INT,
        node=_TEXT,
        subscribe_confirmed_ns=_NS,  # for orderings that did not wait for the confirmation
        first_live_ns=_NS,
        live_count="int64",
        fetch_count="int32",
        ended_ns=_NS,
        close_code="int32",
        close_reason=_TEXT,
    ),
    # Load test: one row a visit when its first connection is about to open, which has the same id;
    # nothing else is known if it dies.
    "opened": _table(
        connection_id=_INT,
        cell="int32",
        connect=_TEXT,
        write=_TEXT,
        session_id=_TEXT,
        user="int32",
        after_seq="int32",
        join_earliest_ns=_NS,  # the join's moment was drawn evenly from earliest..latest
        join_latest_ns=_NS,
        intended_ns=_NS,
        opening_ns=_NS,
        leave_ns=_NS,  # when the user means to leave
    ),
    # Load test: one row a receipt, in the order received.
    "receipts": _table(
        connection_id=_INT,
        seq="int32",
        digest="uint32",
        via="uint8",  # a Via
        at_ns=_NS,
    ),
    # Load test: one row for each try of a user to come back after it had lost its connection, once
    # it is known how it went. Receipts and the end are those of the visit, `first_id`.
    "returns": _table(
        connection_id=_INT,  # of this try: the node's join has it
        first_id=_INT,  # of the visit, in `opened` and `closed`
        lost_ns=_NS,  # since when the user has been away, however many tries have failed since
        lost_code="int32",  # how the connection before ended; null: none had opened
        lost_reason=_TEXT,
        opening_ns=_NS,
        connected_ns=_NS,
        history_ns=_NS,  # null: it brought no history, and the user was still away
        after_seq="int32",  # what the client said it has, up to this number
        error=_TEXT,
    ),
    # Load test of a target: one row a piece of an answer, in the order received, as its frame
    # says; analysis turns them into receipts (chunk7.analysis.sightings).
    "sightings": _table(
        connection_id=_INT,
        session_id=_TEXT,
        message_id=_TEXT,
        index="int32",
        seq="int32",
        id=_TEXT,  # what a client resumes after
        text=_TEXT,
        via="uint8",  # a Via
        at_ns=_NS,
    ),
    # Load test of a target: one row a connection that goes on from an earlier one, and what its
    # client said it has; all null: nothing.
    "resumes": _table(connection_id=_INT, previous=_INT, id=_TEXT, seq="int32", index="int32"),
    # Whoever knows what a target is to deliver (producer, reference): one row a chunk.
    "texts": _table(
        cell="int32",
        session_id=_TEXT,
        message_id=_TEXT,
        index="int32",
        seq="int32",  # 0: never numbered
        final=_BIT,
        text=_TEXT,
    ),
    # Load test: one row a visit when it is over, whatever number of connections it took.
    "closed": _table(
        connection_id=_INT,
        connected_ns=_NS,  # the first time; null: never connected
        history_ns=_NS,  # the first
        welcome_ns=_NS,  # the first
        closed_ns=_NS,
        by_server=_BIT,  # the server ended it, or it broke, and the user did not come back
        close_code="int32",
        close_reason=_TEXT,
        heartbeats="int32",
        fetches="int32",
        error=_TEXT,
    ),
    # Every process: one row a second.
    "health": _table(at_ns=_NS, loop_lag_ms="double", rss_bytes=_INT, open_count="int32"),
    # Nodes and producer: at start and at the end.
    "clocks": _table(at_ns=_NS, offset_ns=_INT, uncertainty_ns=_INT),
    # Nodes and producer: what happened apart from the plan (docs/protocol.md names the kinds).
    "events": _table(at_ns=_NS, kind=_TEXT, session_id=_TEXT, detail=_TEXT),
}


class Via:
    """How a chunk reached the client."""

    HISTORY = 0
    LIVE = 1
    FETCH = 2
