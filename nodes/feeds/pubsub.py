"""Pub/Sub: one connection, reference-counted channels, one frame for all clients of a channel.

A subscription is live from the store's confirmation until we send UNSUBSCRIBE. Confirmations of
one channel come in the order in which we asked, so each belongs to the oldest SUBSCRIBE that has
none yet, and a message that comes before a subscription's confirmation belongs to an earlier
one that is over: it is not delivered.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import hiredis
import msgspec

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError, StoreError, StoreLost
from chunk7.nodes.feeds.buffer import Buffer
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.clock import now_ns
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link

CHUNK_START = b'{"type":"chunk",'
"""How every payload that `wire.frames.encode_chunk` made begins: the check the hot path affords."""


class Subscription:
    """A channel of the store, and who on this node listens to it.

    `merging` are released clients that may yet be sent a chunk they know, and what they know.
    `confirmed` becomes the instant of the store's confirmation, or raises StoreLost.
    """

    __slots__ = ("buffers", "channel", "clients", "confirmed", "merging", "messages", "sent_ns")

    def __init__(self, channel: bytes) -> None:
        self.channel = channel
        self.clients: set[Client] = set()
        self.buffers: dict[Client, Buffer] = {}
        self.merging: dict[Client, frozenset[int]] = {}
        self.messages = 0
        self.sent_ns = 0
        self.confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()


class Hub:
    """All subscriptions of a node. `on_message(clients)` is called for every live chunk.

    `on_bad_message(channel, payload)` is called for a payload that is no chunk.
    """

    def __init__(
        self,
        max_buffer_bytes: int,
        on_message: Callable[[int], None],
        on_bad_message: Callable[[bytes, bytes], None],
    ) -> None:
        self._max_buffer_bytes = max_buffer_bytes
        self._on_message = on_message
        self._on_bad_message = on_bad_message
        self._link: Link | None = None
        self._subscriptions: dict[bytes, Subscription] = {}
        self._live: dict[bytes, Subscription] = {}
        self._unconfirmed: defaultdict[bytes, deque[Subscription]] = defaultdict(deque)
        self._pong: asyncio.Future[None] | None = None

    @property
    def channels(self) -> int:
        """How many channels the node has asked for."""
        return len(self._subscriptions)

    def heard(self, session_id: str) -> int | None:
        """Live messages of the session's channel so far; None while it is not subscribed."""
        subscription = self._live.get(stream_key(session_id).encode())
        return None if subscription is None else subscription.messages

    # --- the store's side ---

    async def connect(self, link: Link) -> None:
        """Take a new link, subscribe to every channel that has clients, await confirmation.

        `link` has our `on_push`. Raises StoreLost.
        """
        self._link = link
        link.lost.add_done_callback(self._disconnected)
        for subscription in self._subscriptions.values():
            subscription.confirmed = asyncio.get_running_loop().create_future()
            self._subscribe(subscription)
        confirmations = [s.confirmed for s in self._subscriptions.values()]
        if confirmations:
            await asyncio.wait(confirmations)
        for confirmation in confirmations:
            confirmation.result()

    def _disconnected(self, _lost: asyncio.Future[None]) -> None:
        """Nothing is live any more; who waits for a confirmation gets StoreLost."""
        self._link = None
        self._live.clear()
        self._unconfirmed.clear()
        for subscription in self._subscriptions.values():
            if not subscription.confirmed.done():
                subscription.confirmed.set_exception(StoreLost("the store went away"))
                subscription.confirmed.exception()  # whether or not somebody waits for it

    async def close(self) -> None:
        """Nothing of its own to close: the link is its owner's."""

    async def ping(self) -> None:
        """Wait until the store has answered on the link. Raises StoreLost when there is none."""
        if self._link is None:
            raise StoreLost("the store is away")
        self._pong = asyncio.get_running_loop().create_future()
        self._link.push("PING")
        await self._pong

    def on_push(self, push: Any) -> None:
        """A message or confirmation from the store. An error ends the link."""
        if isinstance(push, hiredis.HiredisError):
            raise StoreError(str(push))
        if push[0] == b"message":
            self._deliver(push[1], push[2])
        elif push[0] == b"subscribe":
            self._confirm(push[1])
        elif push[0] == b"pong" or push == b"PONG":  # with a channel subscribed, and without
            self._ponged()

    def _ponged(self) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(None)

    def _confirm(self, channel: bytes) -> None:
        waiting = self._unconfirmed[channel]
        subscription = waiting.popleft()
        if not waiting:
            del self._unconfirmed[channel]
        subscription.confirmed.set_result(now_ns())
        if self._subscriptions.get(channel) is subscription:
            self._live[channel] = subscription

    def _deliver(self, channel: bytes, payload: bytes) -> None:
        subscription = self._live.get(channel)
        if subscription is None:
            return
        subscription.messages += 1
        if not payload.startswith(CHUNK_START):
            self._on_bad_message(channel, payload)
            return
        frame = text_frame(payload)
        for client in subscription.clients:
            client.write_live(frame)
        for buffer in subscription.buffers.values():
            buffer.put(payload)
        receivers = len(subscription.clients)
        if subscription.merging:
            receivers += self._merge(subscription, payload)
        self._on_message(receivers)

    def _merge(self, subscription: Subscription, payload: bytes) -> int:
        """Send the chunk to released clients that do not know it; how many.

        One that gets a chunk above all it knows has nothing old to come, and goes straight.
        """
        sent = 0
        for seq, _ in self._numbered(subscription.channel, [payload]):
            for client, known in list(subscription.merging.items()):
                if seq not in known:
                    client.write_live(text_frame(payload))
                    sent += 1
                    if seq > max(known):
                        del subscription.merging[client]
                        subscription.clients.add(client)
        return sent

    # --- the clients' side ---

    def join(self, client: Client, to: Sink) -> Subscription:
        """Subscribe if nobody has yet; the client's chunks go where `to` says.

        Raises StoreLost while there is no link, OrderingError when the client already has joined.
        """
        if self._link is None:
            raise StoreLost("the store is away")
        channel = stream_key(client.session_id).encode()
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            subscription = Subscription(channel)
            self._subscribe(subscription)
            self._subscriptions[channel] = subscription
        listeners = (subscription.clients, subscription.buffers, subscription.merging)
        if any(client in those for those in listeners):
            raise OrderingError("the ordering subscribes twice")
        if to is Sink.CLIENT:
            subscription.clients.add(client)
        else:
            subscription.buffers[client] = Buffer(self._max_buffer_bytes)
        return subscription

    def release(self, client: Client, known: frozenset[int]) -> None:
        """Send the buffered chunks by seq, but for the known ones, and go straight from now on.

        No other coroutine runs in between, so no live chunk can overtake a buffered one. Known
        chunks are left out of what comes later, too, until the first above them all: one that
        was published before the read may be on its way still, on this other connection.
        Raises OrderingError without a buffer, BufferFull when it did not hold everything.
        """
        subscription = self._subscriptions.get(stream_key(client.session_id).encode())
        if subscription is None or client not in subscription.buffers:
            raise OrderingError("the ordering releases a buffer that it does not have")
        payloads = subscription.buffers.pop(client).take()
        for seq, payload in sorted(
            self._numbered(subscription.channel, payloads), key=itemgetter(0)
        ):
            if seq not in known:
                client.write_live(text_frame(payload))
        if known:
            subscription.merging[client] = known
        else:
            subscription.clients.add(client)

    def leave(self, client: Client) -> None:
        """Forget the client; unsubscribe after the last one. Does nothing if it never joined."""
        channel = stream_key(client.session_id).encode()
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            return
        subscription.clients.discard(client)
        subscription.buffers.pop(client, None)
        subscription.merging.pop(client, None)
        if subscription.clients or subscription.buffers or subscription.merging:
            return
        del self._subscriptions[channel]
        self._live.pop(channel, None)
        if self._link is not None:
            with contextlib.suppress(StoreLost):  # the store forgets us by itself
                self._link.push("UNSUBSCRIBE", channel)

    def _subscribe(self, subscription: Subscription) -> None:
        assert self._link is not None
        subscription.sent_ns = now_ns()
        self._link.push("SUBSCRIBE", subscription.channel)
        self._unconfirmed[subscription.channel].append(subscription)

    def _numbered(self, channel: bytes, payloads: list[bytes]) -> list[tuple[int, bytes]]:
        numbered = []
        for payload in payloads:
            try:
                numbered.append((decode_chunk(payload).seq, payload))
            except msgspec.MsgspecError:
                self._on_bad_message(channel, payload)
        return numbered
