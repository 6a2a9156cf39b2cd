"""Following streams: every entry after a client's cursor, once, in order, whoever else follows."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from node_kit import RunningNode, chunk, eventually
from test_hub import Listener

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.effects import BEGINNING, NEWEST, Sink
from chunk7.delivery.errors import OrderingError, StoreLost
from chunk7.nodes.feeds.buffer import BufferFull
from chunk7.nodes.feeds.stream import StreamFeed
from chunk7.nodes.transports.websocket import text_frame
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


class Reading:
    """A tail that reads from a real store."""

    def __init__(self) -> None:
        self.bad: list[bytes] = []
        self.tail = StreamFeed(10_000, lambda _: None, lambda _, payload: self.bad.append(payload))
        self.reader: Link
        self.task: asyncio.Task[None]

    async def connect(self, url: str, store: Store) -> None:
        self.reader = await Link.open(url)
        await self.tail.connect(store, self.reader)
        self.task = asyncio.create_task(self.tail.run(self.reader))

    async def disconnect(self) -> None:
        await self.reader.close()
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
async def reading(store_url: str, store: Store) -> AsyncIterator[Reading]:
    reading = Reading()
    await reading.connect(store_url, store)
    yield reading
    await reading.disconnect()


def frames(*seqs: int, session_id: str = "s") -> list[bytes]:
    return [text_frame(encode_chunk(chunk(seq, session_id))) for seq in seqs]


async def test_a_follower_gets_what_is_after_its_cursor(reading: Reading, store: Store) -> None:
    cursors = [await store.append(chunk(seq)) for seq in (1, 2, 3)]
    listener = Listener()
    await reading.tail.follow(listener, cursors[0])
    await store.append(chunk(4))
    await eventually(lambda: listener.got == frames(2, 3, 4))


async def test_a_follower_behind_the_reader_catches_up_without_a_gap_or_a_double(
    reading: Reading, store: Store
) -> None:
    ahead, behind = Listener(), Listener()
    await reading.tail.follow(ahead, BEGINNING)
    cursors = [await store.append(chunk(seq)) for seq in (1, 2, 3, 4)]
    await eventually(lambda: ahead.got == frames(1, 2, 3, 4))
    await reading.tail.follow(behind, cursors[1])
    await store.append(chunk(5))
    await eventually(lambda: behind.got == frames(3, 4, 5))


async def test_entries_that_come_during_a_catch_up_are_held_until_it_is_done(
    reading: Reading, store: Store, store_url: str
) -> None:
    ahead, behind = Listener(), Listener()
    await reading.tail.follow(ahead, BEGINNING)
    await store.append(chunk(1))
    await eventually(lambda: ahead.got == frames(1))
    writer = await Store.open(store_url)
    following = asyncio.ensure_future(reading.tail.follow(behind, BEGINNING))
    for seq in (2, 3):
        await writer.append(chunk(seq))
    await following
    await eventually(lambda: behind.got == frames(1, 2, 3))
    await writer.close()


async def test_a_follower_ahead_of_the_reader_is_not_sent_what_it_has(
    reading: Reading, store: Store
) -> None:
    cursors = [await store.append(chunk(seq)) for seq in (1, 2, 3)]
    first, second = Listener(), Listener()
    await asyncio.gather(
        reading.tail.follow(first, BEGINNING),  # the reader begins here
        reading.tail.follow(second, cursors[1]),
    )
    await eventually(lambda: first.got == frames(1, 2, 3) and second.got == frames(3))


async def test_newest_is_whatever_is_last_when_the_store_executes_it(
    reading: Reading, store: Store
) -> None:
    await store.append(chunk(1))
    listener, nothing_yet = Listener(), Listener("t")
    await reading.tail.follow(listener, NEWEST)
    await reading.tail.follow(nothing_yet, NEWEST)
    await store.append(chunk(2))
    await store.append(chunk(1, "t"))
    await eventually(lambda: listener.got == frames(2))
    await eventually(lambda: nothing_yet.got == frames(1, session_id="t"))


async def test_a_stream_left_and_followed_again_begins_at_the_new_cursor(
    reading: Reading, store: Store
) -> None:
    old, new = Listener(), Listener()
    cursor = await store.append(chunk(1))
    await reading.tail.follow(old, cursor)
    reading.tail.leave(old)
    assert reading.tail.streams == 0
    await store.append(chunk(2))
    await reading.tail.follow(new, BEGINNING)
    await eventually(lambda: new.got == frames(1, 2))
    assert old.got == []


async def test_a_new_link_goes_on_where_the_old_one_was(
    reading: Reading, store: Store, store_url: str
) -> None:
    listener = Listener()
    await reading.tail.follow(listener, BEGINNING)
    await store.append(chunk(1))
    await eventually(lambda: listener.got == frames(1))
    await reading.disconnect()
    with pytest.raises(StoreLost):
        await reading.tail.follow(Listener(), BEGINNING)
    await store.append(chunk(2))
    await reading.connect(store_url, store)
    await eventually(lambda: listener.got == frames(1, 2))


async def test_an_entry_that_is_no_chunk_is_reported_and_goes_to_nobody(
    reading: Reading, store: Store
) -> None:
    listener = Listener()
    await reading.tail.follow(listener, BEGINNING)
    await store.link.send("XADD", stream_key("s"), "*", "chunk", "nonsense")
    await store.append(chunk(1))
    await eventually(lambda: listener.got == frames(1))
    assert reading.bad == [b"nonsense"]


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_joins_and_leaves_each_follower_gets_all_after_its_cursor_once_in_order(
    reading: Reading, store: Store, store_url: str, seed: int
) -> None:
    rng = random.Random(seed)
    writer = await Store.open(store_url)
    sessions, last = ["a", "b", "c"], 120

    async def produce(session_id: str) -> None:
        for seq in range(1, last + 1):
            await writer.append(chunk(seq, session_id))

    async def attend(session_id: str, hops: int) -> None:
        await asyncio.sleep(0)
        for _ in range(hops):
            await store.head(session_id)  # a round trip: somewhere in the course of production
        listener = Listener(session_id)
        read = await store.stream(session_id, BEGINNING)
        for _ in range(rng.randrange(4)):
            await store.head(session_id)
        await reading.tail.follow(listener, read.cursor)
        if rng.random() < 0.5:  # leaves before the end, perhaps as the last one
            await eventually(lambda: listener.got)
            reading.tail.leave(listener)
        else:
            await eventually(lambda: len(read.chunks) + len(listener.got) >= last)
        first = len(read.chunks) + 1
        seqs = range(first, first + len(listener.got))
        assert listener.got == frames(*seqs, session_id=session_id)

    async with asyncio.TaskGroup() as tasks:
        for session_id in sessions:
            tasks.create_task(produce(session_id))
            for _ in range(10):
                tasks.create_task(attend(session_id, rng.randrange(60)))
    await writer.close()


async def test_a_catch_up_that_may_not_hold_what_comes_fails_and_says_so(
    store: Store, store_url: str
) -> None:
    tail = StreamFeed(10, lambda _: None, lambda *_: None)
    reader = await Link.open(store_url)
    await tail.connect(store, reader)
    run = asyncio.create_task(tail.run(reader))
    ahead, behind = Listener(), Listener()
    await tail.follow(ahead, BEGINNING)
    await store.append(chunk(1))
    await eventually(lambda: ahead.got == frames(1))
    following = asyncio.ensure_future(tail.follow(behind, BEGINNING))
    await asyncio.sleep(0)  # it has asked and holds what comes
    tail._deliver(
        stream_key("s").encode(),
        tail._streams[stream_key("s").encode()],
        [[b"9999999999999-0", [b"chunk", encode_chunk(chunk(2))]]],
    )
    with pytest.raises(BufferFull):
        await following
    run.cancel()
    await reader.close()


async def test_two_followers_of_one_stream_join_at_the_same_moment(
    node: RunningNode, store: Store
) -> None:
    await store.append(chunk(1))
    async with node.client("redis_streams") as one, node.client("redis_streams") as two:
        await asyncio.gather(one.frames(2), two.frames(2))
        for seq in (2, 3):
            await store.append(chunk(seq))
        assert await one.frames(2) == await two.frames(2) == ["chunk 2", "chunk 3"]


# --- into a buffer ---


async def test_a_buffer_is_released_above_the_mark_and_then_sends_what_comes(
    reading: Reading, store: Store
) -> None:
    first = await store.append(chunk(1))
    listener = Listener()
    await reading.tail.follow(listener, first, Sink.BUFFER)
    cursors = [await store.append(chunk(seq)) for seq in (2, 3)]
    ahead = Listener()
    await reading.tail.follow(ahead, BEGINNING)
    await eventually(lambda: ahead.got == frames(1, 2, 3))
    assert listener.got == []
    reading.tail.release(listener, cursors[0])
    assert listener.got == frames(3)
    await store.append(chunk(4))
    await eventually(lambda: listener.got == frames(3, 4))


async def test_what_comes_late_and_is_below_the_mark_is_left_out(
    reading: Reading, store: Store
) -> None:
    """The read had 2 already, when the reader had not."""
    late = Listener()
    await reading.tail.follow(late, BEGINNING, Sink.BUFFER)
    reading.task.cancel()
    cursors = [await store.append(chunk(seq)) for seq in (1, 2)]
    reading.tail.release(late, cursors[1])
    await store.append(chunk(3))
    reading.task = asyncio.create_task(reading.tail.run(reading.reader))
    await eventually(lambda: late.got == frames(3))


async def test_a_buffer_behind_the_reader_holds_what_it_has_missed_first(
    reading: Reading, store: Store
) -> None:
    ahead, behind = Listener(), Listener()
    await reading.tail.follow(ahead, BEGINNING)
    cursors = [await store.append(chunk(seq)) for seq in (1, 2, 3)]
    await eventually(lambda: ahead.got == frames(1, 2, 3))
    await reading.tail.follow(behind, cursors[0], Sink.BUFFER)
    await store.append(chunk(4))
    await eventually(lambda: ahead.got == frames(1, 2, 3, 4))
    reading.tail.release(behind, cursors[0])
    assert behind.got == frames(2, 3, 4)


async def test_a_buffer_that_is_not_there_is_not_released(reading: Reading) -> None:
    listener = Listener()
    with pytest.raises(OrderingError, match="a stream that it does not hold"):
        reading.tail.release(listener, BEGINNING)
    await reading.tail.follow(listener, BEGINNING)
    with pytest.raises(OrderingError, match="a stream that it does not hold"):
        reading.tail.release(listener, BEGINNING)


async def test_a_buffer_that_overflows_is_not_released_in_part(
    reading: Reading, store: Store
) -> None:
    ahead, listener = Listener(), Listener()
    await reading.tail.follow(listener, BEGINNING, Sink.BUFFER)
    await reading.tail.follow(ahead, BEGINNING)
    for seq in range(1, 102):
        await store.append(chunk(seq))
    await eventually(lambda: len(ahead.got) == 101)
    with pytest.raises(BufferFull, match="more than 10000 bytes"):
        reading.tail.release(listener, BEGINNING)
