"""Every ordering on a real node, and what the node writes down of it."""

import asyncio
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from node_kit import RunningNode, StartNode, chunk, eventually, subscribers, word, write

from chunk7.delivery.chunk import epoch_key, history_key
from chunk7.delivery.ordering import pair
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.frames import FetchFrame, HeartbeatFrame, encode
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

PAIRS = [
    (connect.name, writes.name)
    for connect in CONNECT_ORDERINGS.values()
    for writes in WRITE_ORDERINGS.values()
    if pair(connect, writes)
]
WINDOW_MS = 400
"""Long against what a test does in it."""


async def save(store: Store, connect: str, seq: int) -> None:
    """Write a chunk as one event, into what the connect ordering reads."""
    writes = "stream_append" if connect == "redis_streams" else "atomic_lua"
    await write(store, writes, chunk(seq))


def ordering_file(folder: Path, body: str, arguments: str = "") -> str:
    """A user's own ordering, as --ordering wants it."""
    path = folder / "own.py"
    path.write_text(
        "from chunk7.delivery.effects import *\n"
        "from chunk7.delivery.ordering import connect_ordering, Feed\n"
        f"@connect_ordering({arguments})\n"
        f"def own(join):\n    {body}\n"
    )
    return f"{path}:own"


async def nobody_subscribed(store: Store) -> bool:
    return await subscribers(store) == 0


@pytest.mark.parametrize("connect", CONNECT_ORDERINGS)
async def test_a_client_gets_history_then_welcome_then_what_comes(
    node: RunningNode, store: Store, connect: str
) -> None:
    await save(store, connect, 1)
    await save(store, connect, 2)
    async with node.client(connect) as user:
        assert await user.frames(2) == ["history 1 2", "welcome"]
        await save(store, connect, 3)
        assert await user.frames(1) == ["chunk 3"]


@pytest.mark.parametrize("connect", CONNECT_ORDERINGS)
async def test_the_history_frame_is_sent_also_when_it_is_empty(
    node: RunningNode, connect: str
) -> None:
    async with node.client(connect) as user:
        assert await user.frames(2) == ["history", "welcome"]


@pytest.mark.parametrize(("connect", "writes"), PAIRS)
async def test_when_nothing_races_every_pair_delivers_every_chunk_once_in_order(
    node: RunningNode, store: Store, connect: str, writes: str
) -> None:
    for seq in range(1, 6):
        await write(store, writes, chunk(seq))
    async with node.client(connect) as user:
        assert await user.frames(2) == ["history 1 2 3 4 5", "welcome"]
        for seq in range(6, 26):
            await write(store, writes, chunk(seq))
        assert await user.frames(20) == [f"chunk {seq}" for seq in range(6, 26)]


@pytest.mark.parametrize("connect", CONNECT_ORDERINGS)
async def test_a_resuming_client_is_sent_only_what_came_after(
    node: RunningNode, store: Store, connect: str
) -> None:
    for seq in (1, 2, 3):
        await save(store, connect, seq)
    async with node.client(connect, after_seq=2) as user:
        assert await user.frames(2) == ["history 3", "welcome"]


async def test_who_unsubscribes_as_the_last_one_ends_the_nodes_subscription(
    start: StartNode, store: Store, tmp_path: Path
) -> None:
    body = "yield Subscribe(); yield Confirmed(); yield Unsubscribe(); yield SendWelcome()"
    node = await start("--ordering", ordering_file(tmp_path, body))
    async with node.client("subscribe_then_history") as other:
        await other.frames(2)
        async with node.client("own", connection_id=7) as user:
            assert await user.frames(1) == ["welcome"]
            assert await store.publish(chunk(1)) == 1
            assert await other.frames(1) == ["chunk 1"]
    await eventually(partial(nobody_subscribed, store))
    async with node.client("own") as user:
        assert await user.frames(1) == ["welcome"]
        await eventually(partial(nobody_subscribed, store))
    await node.end()
    [own] = [leave for leave in node.table("leaves") if leave["connection_id"] == 7]
    assert own["live_count"] == 0


async def test_who_unsubscribes_may_subscribe_again(
    start: StartNode, store: Store, tmp_path: Path
) -> None:
    body = (
        "yield Subscribe(Sink.BUFFER); yield Confirmed(); yield Unsubscribe(); yield Subscribe()\n"
        "    yield Confirmed(); yield SendWelcome()"
    )
    node = await start("--ordering", ordering_file(tmp_path, body))
    async with node.client("own") as user:
        assert await user.frames(1) == ["welcome"]
        assert await store.publish(chunk(1)) == 1
        assert await user.frames(1) == ["chunk 1"]


async def test_a_resuming_client_is_not_sent_what_it_has_by_a_node_that_is_behind(
    node: RunningNode, store: Store
) -> None:
    """It has 1, which is saved; the publication of 1 reaches its new node after the release."""
    await store.save(chunk(1))
    async with node.client("buffered_merge", after_seq=1) as user:
        assert await user.frames(2) == ["history", "welcome"]
        await store.publish(chunk(1))
        await store.publish(chunk(2))
        assert await user.frames(1) == ["chunk 2"]


# --- a chunk between the two steps, with the node at work meanwhile ---


async def test_a_chunk_between_read_and_subscription_is_lost(
    node: RunningNode, store: Store
) -> None:
    await save(store, "history_then_subscribe", 1)
    async with node.client("history_then_subscribe", work_ms=WINDOW_MS) as user:
        assert await user.frames(1) == ["history 1"]
        await save(store, "history_then_subscribe", 2)
        assert await user.frames(1) == ["welcome"]
        await save(store, "history_then_subscribe", 3)
        assert await user.frames(1) == ["chunk 3"]


async def test_a_client_that_fills_gaps_sees_the_loss_in_the_welcome_and_fetches_it(
    node: RunningNode, store: Store
) -> None:
    async with node.client("sequence_gap_fill", work_ms=WINDOW_MS) as user:
        assert await user.frames(1) == ["history"]
        await save(store, "sequence_gap_fill", 1)
        assert (await user.frame()).head_seq == 1
        await user.connection.send(encode(FetchFrame(1, 1)), text=True)
        assert await user.frames(1) == ["history 1"]


async def test_the_welcome_says_what_its_head_is_of(node: RunningNode, store: Store) -> None:
    """Where the ordering reads a head; elsewhere the first heartbeat does."""
    await save(store, "sequence_gap_fill", 1)
    await store.link.send("SET", epoch_key("s"), "e1")
    told = []
    for ordering in ("sequence_gap_fill", "buffered_merge"):
        async with node.client(ordering) as user:
            assert await user.frames(1) == ["history 1"]
            welcome = await user.frame()
            told.append((welcome.head_seq, welcome.epoch))
    assert told == [(1, "e1"), (None, None)]


async def test_subscribing_first_gets_the_chunk_twice_and_live_before_the_history(
    node: RunningNode, store: Store
) -> None:
    async with node.client("subscribe_then_history", work_ms=WINDOW_MS) as user:
        await eventually(lambda: subscribers(store))
        await save(store, "subscribe_then_history", 1)
        assert await user.frames(3) == ["chunk 1", "history 1", "welcome"]


async def test_the_buffer_releases_the_chunk_once_and_in_order(
    node: RunningNode, store: Store
) -> None:
    async with node.client("buffered_merge", work_ms=WINDOW_MS) as user:
        await eventually(lambda: subscribers(store))
        await save(store, "buffered_merge", 1)
        await store.publish(chunk(3))  # not in the history: only the buffer has them
        await store.publish(chunk(2))
        assert await user.frames(4) == ["history 1", "chunk 2", "chunk 3", "welcome"]
        await store.publish(chunk(4))
        assert await user.frames(1) == ["chunk 4"]


async def test_a_stream_has_no_window(node: RunningNode, store: Store) -> None:
    async with node.client("redis_streams", work_ms=WINDOW_MS) as user:
        assert await user.frames(1) == ["history"]
        await save(store, "redis_streams", 1)
        await save(store, "redis_streams", 2)
        assert await user.until("chunk 2") == ["welcome", "chunk 1", "chunk 2"]


# --- orderings of a user's own ---


async def test_an_unconfirmed_subscription_is_live_and_its_confirmation_recorded_at_the_end(
    start: StartNode, store: Store, tmp_path: Path
) -> None:
    node = await start(
        "--ordering", ordering_file(tmp_path, "yield Subscribe(); yield SendWelcome()")
    )
    async with node.client("own", connection_id=1) as user:
        assert await user.frames(1) == ["welcome"]
        await eventually(lambda: subscribers(store))
        await store.publish(chunk(1))
        assert await user.frames(1) == ["chunk 1"]
    await node.end()
    [join], [leave] = node.table("joins"), node.table("leaves")
    assert join["subscribe_done_ns"] is None
    assert join["subscribe_sent_ns"] < leave["subscribe_confirmed_ns"] < leave["first_live_ns"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("yield 7", "which is no effect"),
        ("yield SendWelcome(); raise ValueError('mine')", "raised ValueError: mine"),
        ("yield Release(frozenset())", "a buffer that it does not have"),
        ("yield Confirmed()", "a subscription that it did not ask for"),
        ("yield Subscribe(); yield Subscribe()", "subscribes twice"),
        ("yield NextSeq()", "does not perform NextSeq"),
        ("yield LookWhenPoked()", "does not perform LookWhenPoked: it has no notices"),
        ("yield Start()", "does not perform Start: a run's timetable starts it"),
        ("yield SendHistory(3)", "cannot perform SendHistory"),
        ("yield Follow('never')", "no stream cursor"),
        ("yield Follow('0-0'); yield Follow('0-0')", "follows twice"),
        ("yield Confirmed", "which is no effect"),
        ("while True: yield Pause()", "more than 1000 effects"),
        ("yield Unsubscribe()", "unsubscribes what it has not subscribed"),
        ("return 3", "no attribute 'send'"),
    ],
)
async def test_an_ordering_that_breaks_the_protocol_fails_its_join_and_nothing_else(
    start: StartNode, store: Store, tmp_path: Path, body: str, reason: str
) -> None:
    node = await start("--ordering", ordering_file(tmp_path, body))
    async with node.client("own") as user:
        frame = await user.frame()
        if type(frame).__name__ == "WelcomeFrame":
            frame = await user.frame()
        assert frame.code == "join_failed"
        assert reason in frame.reason
        assert await user.closed() == (1011, "join_failed")
    async with node.client("buffered_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
    await node.end()
    failed, well = node.table("joins")
    assert reason in failed["error"]
    assert well["error"] is None


async def test_a_history_of_something_else_fails_the_join(node: RunningNode, store: Store) -> None:
    await store.link.send("RPUSH", history_key("s"), "no chunk")
    async with node.client("buffered_merge") as user:
        assert await user.frames(1) == ["error join_failed"]


async def test_a_buffer_that_overflows_fails_the_join(start: StartNode, store: Store) -> None:
    node = await start("--max-outbox-kb", "1")
    async with node.client("buffered_merge", work_ms=WINDOW_MS) as user:
        await eventually(lambda: subscribers(store))
        await store.publish(chunk(1, text="x" * 2_000))
        assert await user.frames(2) == ["history", "error join_failed"]


# --- what is written down ---


async def recorded(node: RunningNode) -> tuple[dict[str, Any], dict[str, Any]]:
    await node.end()
    [join], [leave] = node.table("joins"), node.table("leaves")
    return join, leave


async def test_a_join_is_recorded_in_the_order_of_its_steps(
    node: RunningNode, store: Store
) -> None:
    for seq in (1, 2, 3):
        await save(store, "history_then_subscribe", seq)
    async with node.client(
        "history_then_subscribe", connection_id=77, user_id="ann", after_seq=1, work_ms=20
    ) as user:
        await user.frames(2)
        await save(store, "history_then_subscribe", 4)
        await user.frames(1)
    join, leave = await recorded(node)
    names = ("accepted", "read_sent", "read_done", "subscribe_sent", "subscribe_done", "welcomed")
    instants = [join[f"{name}_ns"] for name in names]
    assert instants == sorted(set(instants))
    assert join["subscribe_sent_ns"] - join["read_done_ns"] >= 20_000_000
    rest = {name: value for name, value in join.items() if not name.endswith("_ns")}
    assert rest == {
        "connection_id": 77,
        "session_id": "s",
        "user_id": "ann",
        "node": "n1",
        "connect": "history_then_subscribe",
        "after_seq": 1,
        "history_count": 2,
        "history_first_seq": 2,
        "history_last_seq": 3,
        "subscribe_shared": False,
        "error": None,
    }
    assert (leave["connection_id"], leave["live_count"], leave["close_code"]) == (77, 1, 1000)
    assert leave["subscribe_confirmed_ns"] == join["subscribe_done_ns"]
    assert join["welcomed_ns"] < leave["first_live_ns"] < leave["ended_ns"]


async def test_subscribing_first_is_recorded_with_the_subscription_before_the_read(
    node: RunningNode,
) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
    join, _ = await recorded(node)
    assert join["subscribe_done_ns"] < join["read_sent_ns"] < join["read_done_ns"]


async def test_a_stream_join_has_no_subscription(node: RunningNode) -> None:
    async with node.client("redis_streams") as user:
        await user.frames(2)
    join, leave = await recorded(node)
    assert join["read_sent_ns"] < join["read_done_ns"] < join["welcomed_ns"]
    assert [join["subscribe_sent_ns"], join["subscribe_done_ns"], join["subscribe_shared"]] == [
        None,
        None,
        None,
    ]
    assert leave["subscribe_confirmed_ns"] is None


async def test_following_from_the_newest_entry_is_a_handover_and_recorded_as_one(
    start: StartNode, tmp_path: Path
) -> None:
    """Its losses were of unknown cause before: nobody had noted when the following began."""
    body = "yield ReadStream(); yield Pause(); yield Follow(NEWEST); yield SendWelcome()"
    node = await start("--ordering", ordering_file(tmp_path, body, "feed=Feed.STREAM"))
    async with node.client("own", work_ms=20) as user:
        await user.frames(1)
    join, _ = await recorded(node)
    assert join["subscribe_sent_ns"] - join["read_done_ns"] >= 20_000_000
    assert join["subscribe_sent_ns"] < join["subscribe_done_ns"] < join["welcomed_ns"]


async def test_the_second_client_of_a_channel_is_subscribed_on_attaching(
    node: RunningNode,
) -> None:
    async with node.client("history_then_subscribe") as first:
        await first.frames(2)
        async with node.client("history_then_subscribe") as second:
            await second.frames(2)
    await node.end()
    [_, join] = node.table("joins")
    assert join["subscribe_shared"]
    assert join["subscribe_sent_ns"] == join["subscribe_done_ns"] > join["read_done_ns"]


# --- joins at any moment of an answer ---


@pytest.mark.parametrize(
    ("connect", "writes"),
    [
        ("buffered_merge", "atomic_lua"),
        ("buffered_merge", "save_then_publish"),
        ("redis_streams", "stream_append"),
    ],
)
async def test_whenever_it_joins_a_client_gets_every_chunk_once_and_in_order(
    node: RunningNode, store: Store, connect: str, writes: str
) -> None:
    last, sessions = 150, ("a", "b")
    rng = random.Random(7)

    async def produce(session_id: str) -> None:
        for seq in range(1, last + 1):
            await write(store, writes, chunk(seq, session_id))
            await asyncio.sleep(0.004)

    async def attend(session_id: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        async with node.client(connect, session_id, work_ms=rng.choice([0, 5])) as user:
            words = await user.until(f"chunk {last}")
        history, *live = [item for item in words if item != "welcome"]
        read = [int(seq) for seq in history.split()[1:]]
        seqs = read + [int(item.split()[1]) for item in live]
        assert seqs == list(range(1, last + 1))

    async with asyncio.TaskGroup() as tasks:
        for session_id in sessions:
            tasks.create_task(produce(session_id))
            for _ in range(25):
                tasks.create_task(attend(session_id, rng.uniform(0, 0.5)))


@pytest.mark.parametrize("ordering", ["buffered_merge", "positioned_merge", "sequence_gap_fill"])
async def test_who_resumes_with_another_epoch_has_nothing_of_this_one(
    start: StartNode, store: Store, ordering: str
) -> None:
    """Its number is of chunks that are gone: from there on it was sent nothing of the new ones."""
    node = await start("--heartbeat-ms", "60000")
    for seq in (1, 2):
        await write(store, "atomic_lua", chunk(seq))
    await store.link.send("SET", epoch_key("s"), "e2")
    async with node.client(ordering, after_seq=2, epoch="e2") as user:
        assert await user.frames(2) == ["history", "welcome"]
    async with node.client(ordering, after_seq=2, epoch="e1") as user:
        frames = [await user.frame(heartbeats=True) for _ in range(3)]
    assert frames[0] == HeartbeatFrame(0, "e2")
    assert [word(frame) for frame in frames[1:]] == ["history 1 2", "welcome"]
    await node.end()
    assert [join["after_seq"] for join in node.table("joins")] == [2, 0]


async def test_who_resumes_in_an_emptied_store_has_nothing_of_it_either(start: StartNode) -> None:
    node = await start()
    async with node.client("buffered_merge", after_seq=2, epoch="e1") as user:
        assert await user.frames(2) == ["history", "welcome"]
    await node.end()
    assert [join["after_seq"] for join in node.table("joins")] == [0]
