"""Streams: one connection blocks in XREAD over all followed streams, each from its own position.

A client that begins to follow has read up to its own cursor; the reader is at a position of its
own. What lies between is made up for without a gap: if the client is behind, XRANGE brings the
missing entries while live ones are held; if it is ahead, entries up to its cursor are skipped.

A blocked XREAD does not know of a stream that is added meanwhile, so it is ended by CLIENT
UNBLOCK. That may overtake an XREAD that is still on its way, and then finds nobody blocked; so
it is repeated until the reader has come round. Shorter blocks would do without, but cost every
stream a command a few hundred times a second. Either way no entry can be missed, only wait.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.cursor import EntryId, entry_id
from chunk7.delivery.effects import NEWEST, Cursor, Sink
from chunk7.delivery.errors import OrderingError, StoreError, StoreLost
from chunk7.nodes.feeds.buffer import Buffer
from chunk7.nodes.feeds.held_entries import HeldEntries
from chunk7.nodes.feeds.pubsub import CHUNK_START
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.store.link import Link
from chunk7.wire.store.store import Store

BLOCK_MS = 1_000
MAX_ENTRIES = 500
"""Entries of one stream in one reply; the rest comes with the next."""
REPLY_TIMEOUT_S = BLOCK_MS / 1_000 + 5
UNBLOCK_RETRY_S = 0.001
CATCH_UP_TRIES = 100
CATCH_UP_RETRY_S = 0.02


class FollowedStream:
    """A followed stream: how far the reader has got, and who follows from where.

    `followers` maps a client to the last entry it got elsewhere. `catching_up` holds live
    payloads for those that wait for their XRANGE, `holding` entries for those that follow into a
    buffer.
    """

    __slots__ = ("catching_up", "cursor", "followers", "holding", "position")

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.position = entry_id(cursor)
        self.followers: dict[Client, EntryId] = {}
        self.catching_up: dict[Client, Buffer] = {}
        self.holding: dict[Client, HeldEntries] = {}

    def has(self, client: Client) -> bool:
        """Whether the client follows, in one way or another."""
        return client in self.followers or client in self.catching_up or client in self.holding

    def remove(self, client: Client) -> bool:
        """Forget the client; whether anybody is left."""
        for clients in (self.followers, self.catching_up, self.holding):
            clients.pop(client, None)
        return bool(self.followers or self.catching_up or self.holding)


class StreamFeed:
    """All followed streams of a node. The two callbacks are those of `nodes.feeds.pubsub.Hub`."""

    def __init__(
        self,
        max_buffer_bytes: int,
        on_message: Callable[[int], None],
        on_bad_message: Callable[[bytes, bytes], None],
    ) -> None:
        self._max_buffer_bytes = max_buffer_bytes
        self._on_message = on_message
        self._on_bad_message = on_bad_message
        self._store: Store | None = None
        self._reader_id = 0
        self._streams: dict[bytes, FollowedStream] = {}
        self._added = asyncio.Event()
        self._unblocking: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many streams are followed."""
        return len(self._streams)

    async def connect(self, store: Store, reader: Link) -> None:
        """Take new links: one to block, and the store's to unblock it and to catch up.

        Positions outlive links: after a reconnection reading goes on where it was.
        """
        self._reader_id = int(await reader.send("CLIENT", "ID"))
        self._store = store
        reader.lost.add_done_callback(self._disconnected)

    def _disconnected(self, _lost: "asyncio.Future[None]") -> None:
        self._store = None
        if self._unblocking is not None:
            self._unblocking.cancel()

    async def run(self, reader: Link) -> NoReturn:
        """Read for ever. Raises StoreError, StoreLost, TimeoutError when no reply comes in time."""
        while True:
            self._added.clear()
            if self._streams:
                await self._read(reader)
            else:
                await self._added.wait()

    async def follow(self, client: Client, after: Cursor, to: Sink = Sink.CLIENT) -> None:
        """From now on send the client, or hold for it, every entry after the cursor, in order.

        Raises StoreLost, OrderingError for a bad cursor or a second call, BufferFull when more
        came during the catch-up than may be held.
        """
        if self._store is None:
            raise StoreLost("the store is away")
        if after == NEWEST:
            after = (await self._store.stream(client.session_id, NEWEST)).cursor
        key = stream_key(client.session_id).encode()
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = FollowedStream(after)
            self._wake()
        if stream.has(client):
            raise OrderingError("the ordering follows twice")
        if to is Sink.BUFFER:
            await self._hold(client, key, stream, after)
        elif entry_id(after) < stream.position:
            await self._catch_up(client, key, stream, after)
        else:
            stream.followers[client] = entry_id(after)

    def leave(self, client: Client) -> None:
        """Forget the client; after the last one the stream is read no more."""
        key = stream_key(client.session_id).encode()
        stream = self._streams.get(key)
        if stream is not None and not stream.remove(client):
            del self._streams[key]

    def release(self, client: Client, after: Cursor) -> None:
        """Send what is held for the client above the cursor, then go on with what comes.

        Raises OrderingError without a buffer or for a bad cursor, BufferFull when it did not hold
        everything.
        """
        mark = entry_id(after)
        key = stream_key(client.session_id).encode()
        stream = self._streams.get(key)
        if stream is None or client not in stream.holding:
            raise OrderingError("the ordering releases a stream that it does not hold")
        stream.followers[client], payloads = stream.holding.pop(client).release(mark)
        for payload in payloads:
            client.write_live(text_frame(payload))

    async def _hold(
        self, client: Client, key: bytes, stream: FollowedStream, after: Cursor
    ) -> None:
        """Hold what comes from now on, and in front of it what the reader has had already."""
        held = stream.holding[client] = HeldEntries(self._max_buffer_bytes, entry_id(after))
        if entry_id(after) < stream.position:
            missed = await self._between(key, after, stream.position)
            held.put_first([entry for entry in missed if self._is_chunk(key, entry[1])])

    async def _catch_up(
        self, client: Client, key: bytes, stream: FollowedStream, after: Cursor
    ) -> None:
        """Send what lies between the client's cursor and the reader's, then what came meanwhile."""
        held = stream.catching_up[client] = Buffer(self._max_buffer_bytes)
        missed = await self._between(key, after, stream.position)
        for payload in [*(payload for _, payload in missed), *held.take()]:
            if self._is_chunk(key, payload):
                client.write_live(text_frame(payload))
        if stream.catching_up.pop(client, None) is not None:
            stream.followers[client] = stream.position

    async def _between(
        self, key: bytes, after: Cursor, upto: EntryId
    ) -> list[tuple[EntryId, bytes]]:
        """What lies after the cursor, up to an entry that the reader has had.

        A server without that entry and any later one is a replica that lags behind: asked again.
        Raises StoreLost, StoreError if it stays behind.
        """
        for _ in range(CATCH_UP_TRIES):
            if self._store is None:
                raise StoreLost("the store is away")
            entries = await self._store.link.send("XRANGE", key, f"({after}", "+")
            by_id = [(entry_id(entry.decode()), fields[1]) for entry, fields in entries]
            if by_id and by_id[-1][0] >= upto:
                return [entry for entry in by_id if entry[0] <= upto]
            await asyncio.sleep(CATCH_UP_RETRY_S)
        raise StoreError("the stream that is read lacks an entry that was there before")

    # --- the reader ---

    async def _read(self, reader: Link) -> None:
        """One XREAD, and what it brings to whom."""
        asked = dict(self._streams)
        cursors = [stream.cursor for stream in asked.values()]
        limits = ("COUNT", MAX_ENTRIES, "BLOCK", BLOCK_MS)
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            reply = await reader.send("XREAD", *limits, "STREAMS", *asked, *cursors)
        for key, entries in reply or ():
            # Left and followed anew while we were reading: the new one has its own position.
            if self._streams.get(key) is asked[key]:
                self._deliver(key, asked[key], entries)

    def _deliver(self, key: bytes, stream: FollowedStream, entries: list[Any]) -> None:
        """What one read brought of a stream: one write a follower."""
        frames: list[tuple[EntryId, bytes]] = []
        for entry, fields in entries:
            stream.cursor = entry.decode()
            stream.position = entry_id(stream.cursor)
            payload = fields[1]
            if not self._is_chunk(key, payload):
                continue
            frames.append((stream.position, text_frame(payload)))
            for buffer in stream.catching_up.values():
                buffer.put(payload)
            for held in stream.holding.values():
                held.put(stream.position, payload)
            self._on_message(len(stream.followers))
        if frames:
            _write(stream.followers, frames)

    def _is_chunk(self, key: bytes, payload: bytes) -> bool:
        if payload.startswith(CHUNK_START):
            return True
        self._on_bad_message(key, payload)
        return False

    def _wake(self) -> None:
        """Make the reader notice a new stream."""
        self._added.set()
        if self._unblocking is None or self._unblocking.done():
            self._unblocking = asyncio.create_task(self._unblock())

    async def _unblock(self) -> None:
        """Until the reader has begun a new read, which clears `_added`."""
        while self._added.is_set() and self._store is not None:
            try:
                await self._store.link.send("CLIENT", "UNBLOCK", self._reader_id)
            except StoreError:
                return  # lost: who owns the links will know
            await asyncio.sleep(UNBLOCK_RETRY_S)


def _write(followers: dict[Client, EntryId], frames: list[tuple[EntryId, bytes]]) -> None:
    """The frames to every follower, without those that it got elsewhere; ids ascend."""
    whole, first = b"".join(frame for _, frame in frames), frames[0][0]
    for client, after in followers.items():
        if after < first:
            client.write_live(whole, len(frames))
        else:
            rest = [frame for entry, frame in frames if entry > after]
            if rest:
                client.write_live(b"".join(rest), len(rest))
