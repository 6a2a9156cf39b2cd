"""Pub/Sub: one connection, reference-counted channels, one frame for all clients of a channel.

What one read of the store brings of a channel goes out in one write a client, when the read is
over: no other coroutine runs in between, so nothing can overtake it, and it waits for nothing.

When to subscribe and unsubscribe, and from which confirmation on a channel is live, is decided in
`delivery.node_channel`; here is who waits for it, and the commands that it asks for.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import hiredis
import msgspec

from chunk7.delivery.chunk import stream_key
from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import StoreError, StoreLost
from chunk7.delivery.handover import STRAIGHT, Handover, attach, check, hold, note, release
from chunk7.delivery.node_channel import UNUSED, Asked, ChannelCommand, NodeChannel
from chunk7.nodes.feeds.buffer import BufferFull
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.clock import now_ns
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.link import Link

CHUNK_START = b'{"type":"chunk",'
"""How every payload that `wire.frames.encode_chunk` made begins: the check the hot path affords."""


class Subscription:
    """A channel of the store, and who on this node listens to it.

    `clients` are sent every chunk; `handovers` are those for whom some are held or left out, and
    `held_bytes` how much is held for each. `confirmed` becomes the instant of the store's
    confirmation, or raises StoreLost.
    """

    __slots__ = (
        "channel",
        "clients",
        "confirmed",
        "frames",
        "handovers",
        "held_bytes",
        "messages",
        "outgoing",
        "sent_ns",
    )

    def __init__(self, channel: bytes) -> None:
        self.channel = channel
        self.clients: set[Client] = set()
        self.frames: list[bytes] = []
        """Of the read under way, for `clients`, in their order."""
        self.outgoing: dict[Client, list[bytes]] = {}
        """The same, for those with a handover; who has ended it meanwhile is sent these first."""
        self.handovers: dict[Client, Handover] = {}
        self.held_bytes: dict[Client, int] = {}
        self.messages = 0
        self.sent_ns = 0
        self.confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def of(self, client: Client) -> Handover | None:
        """The client's handover, None while it has not joined."""
        return STRAIGHT if client in self.clients else self.handovers.get(client)

    def put(self, client: Client, handover: Handover) -> None:
        """The client's handover is this from now on."""
        if handover is STRAIGHT:
            self.handovers.pop(client, None)
            self.clients.add(client)
        else:
            self.handovers[client] = handover

    def note(self, client: Client, seqs: Iterable[int]) -> None:
        """These were written to the client apart from live chunks: its position has them."""
        noted = note(self.handovers.get(client), seqs)
        if noted is not None:
            self.handovers[client] = noted

    def hold(self, client: Client) -> None:
        """From now on hold the live chunks of a client whose position is kept."""
        handover = self.handovers.get(client)
        if handover is not None and handover.position is not None:
            self.handovers[client] = hold(handover)

    def check(self, client: Client, head_seq: int) -> bool:
        """Whether the client's position is behind the head; if so, its live chunks are held."""
        checked = check(self.handovers.get(client), head_seq)
        if checked is not None:
            self.handovers[client] = checked
        return checked is not None

    def take(
        self, client: Client, before: Handover, seq: int, payload: bytes, max_bytes: int
    ) -> int:
        """A live chunk has come to a client's handover; how many it was sent."""
        handover, sent = before.take(seq, payload)
        if handover.held is not before.held:
            handover = self._bounded(client, handover, len(payload), max_bytes)
        self.put(client, handover)
        if sent:
            self.outgoing.setdefault(client, []).extend(map(text_frame, sent))
        return len(sent)

    def _bounded(
        self, client: Client, handover: Handover, added_bytes: int, max_bytes: int
    ) -> Handover:
        """What is held counted; all of it dropped when it is too much, which the release tells."""
        held_bytes = self.held_bytes.get(client, 0) + added_bytes
        self.held_bytes[client] = held_bytes
        return handover if held_bytes <= max_bytes else handover._replace(held=None)

    def write(self) -> None:
        """Write to the clients what the read has brought so far."""
        if self.outgoing:
            outgoing, self.outgoing = self.outgoing, {}
            for client, own in outgoing.items():
                client.write_live(b"".join(own), len(own))
        if self.frames:
            frames, self.frames = self.frames, []
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            for client in self.clients:
                client.write_live(data, len(frames))

    def remove(self, client: Client) -> bool:
        """Forget the client; whether anybody is left."""
        self.clients.discard(client)
        self.handovers.pop(client, None)
        self.held_bytes.pop(client, None)
        return bool(self.clients or self.handovers)


class _Channels:
    """What the node's channels are, and who waits for the confirmation of a SUBSCRIBE.

    `live` has the subscriptions whose channel is: where every message looks.
    """

    def __init__(self) -> None:
        self.live: dict[bytes, Subscription] = {}
        self._channels: dict[bytes, NodeChannel] = {}
        self._unconfirmed: defaultdict[bytes, deque[Subscription]] = defaultdict(deque)

    def of(self, subscription: Subscription) -> NodeChannel:
        """The subscription's channel."""
        return self._channels.get(subscription.channel, UNUSED)

    def ask(self, link: Link, subscription: Subscription, asked: Asked) -> None:
        """What the channel asks for is sent, if anything. Raises StoreLost; nothing has changed."""
        channel, commands = asked
        for command in commands:
            link.push(command.value, subscription.channel)
            if command is ChannelCommand.SUBSCRIBE:
                subscription.sent_ns = now_ns()
                self._unconfirmed[subscription.channel].append(subscription)
        self.become(subscription, channel)

    def confirm(self, name: bytes, current: Subscription | None) -> None:
        """A confirmation has come; `current` are the clients that the channel has now."""
        waiting = self._unconfirmed[name]
        oldest = waiting.popleft()
        if not waiting:
            del self._unconfirmed[name]
        oldest.confirmed.set_result(now_ns())
        self.become(current or oldest, self.of(oldest).confirm())

    def lose(self) -> list[Subscription]:
        """The connection has ended; who waited for a confirmation."""
        left = [subscription for asked in self._unconfirmed.values() for subscription in asked]
        self._unconfirmed.clear()
        self.live.clear()
        lost = ((name, channel.lose()) for name, channel in self._channels.items())
        self._channels = {name: channel for name, channel in lost if channel != UNUSED}
        return left

    def become(self, subscription: Subscription, channel: NodeChannel) -> None:
        """The subscription's channel is this from now on."""
        name = subscription.channel
        if channel == UNUSED:
            self._channels.pop(name, None)
        else:
            self._channels[name] = channel
        if channel.live:
            self.live[name] = subscription
        else:
            self.live.pop(name, None)


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
        self._channels = _Channels()
        self._live = self._channels.live
        self._unwritten: dict[Subscription, None] = {}
        self._pong: asyncio.Future[None] | None = None
        self.on_hole: Callable[[Client], None] = lambda client: None
        """Called when a client's position shows that a chunk is missing in front of a live one."""

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

        `link` has our `on_push` and `on_read`. Raises StoreLost.
        """
        self._link = link
        link.lost.add_done_callback(self._disconnected)
        for subscription in self._subscriptions.values():
            for client in subscription.handovers:
                subscription.hold(client)  # what comes first may not be next
            subscription.confirmed = asyncio.get_running_loop().create_future()
            self._channels.ask(link, subscription, self._channels.of(subscription).connect())
        confirmations = [s.confirmed for s in self._subscriptions.values()]
        if confirmations:
            await asyncio.wait(confirmations)
        for confirmation in confirmations:
            confirmation.result()

    def _disconnected(self, _lost: asyncio.Future[None]) -> None:
        """Nothing is live any more; who waits for a confirmation gets StoreLost.

        Also for a subscription whose clients have left meanwhile: `connect` may wait for it.
        """
        self._link = None
        left = self._channels.lose()
        for subscription in (*self._subscriptions.values(), *left):
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
        """A message or confirmation from the store; `on_read` follows. An error ends the link."""
        if isinstance(push, hiredis.HiredisError):
            raise StoreError(str(push))
        if push[0] == b"message":
            self._deliver(push[1], push[2])
        elif push[0] == b"subscribe":
            self._confirm(push[1])
        elif push[0] == b"pong" or push == b"PONG":  # with a channel subscribed, and without
            self._ponged()

    def on_read(self) -> None:
        """All that one read of the store has brought was pushed: write it."""
        for subscription in self._unwritten:
            subscription.write()
        self._unwritten.clear()

    def _ponged(self) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(None)

    def _confirm(self, channel: bytes) -> None:
        self._channels.confirm(channel, self._subscriptions.get(channel))

    def _deliver(self, channel: bytes, payload: bytes) -> None:
        subscription = self._live.get(channel)
        if subscription is None:
            return
        subscription.messages += 1
        if not payload.startswith(CHUNK_START):
            self._on_bad_message(channel, payload)
            return
        self._unwritten[subscription] = None
        receivers = len(subscription.clients)
        if receivers:
            subscription.frames.append(text_frame(payload))
        if subscription.handovers:
            if receivers:
                subscription.write()  # who goes straight from here on must not be sent it again
            receivers += self._hand_over(subscription, payload)
        self._on_message(receivers)

    def _hand_over(self, subscription: Subscription, payload: bytes) -> int:
        """Take the chunk into each handover under way; how many clients were sent it."""
        try:
            seq = decode_chunk(payload).seq
        except msgspec.MsgspecError:
            self._on_bad_message(subscription.channel, payload)
            return 0
        receivers = 0
        for client, before in list(subscription.handovers.items()):
            receivers += subscription.take(client, before, seq, payload, self._max_buffer_bytes)
            after = subscription.of(client)
            if after and after.position is not None and after.sink is not before.sink:
                self.on_hole(client)
        return receivers

    # --- the clients' side ---

    def join(
        self, client: Client, to: Sink, after_seq: int = 0, positioned: bool = False
    ) -> Subscription:
        """Subscribe if nobody has yet; the client's chunks go where `to` says.

        It has every chunk up to `after_seq`; its position is kept if `positioned`. Raises
        StoreLost while there is no link, OrderingError when the client already has joined.
        """
        if self._link is None:
            raise StoreLost("the store is away")
        subscription = self.subscription(client)
        if subscription is None:
            subscription = Subscription(stream_key(client.session_id).encode())
            self._channels.ask(self._link, subscription, self._channels.of(subscription).join())
            self._subscriptions[subscription.channel] = subscription
        subscription.put(client, attach(subscription.of(client), to, after_seq, positioned))
        return subscription

    def release(self, client: Client, known: frozenset[int]) -> None:
        """Send what is held, and go on as `delivery.handover` says.

        No other coroutine runs in between, so no live chunk can overtake a held one.
        Raises OrderingError without a buffer, BufferFull when it did not hold everything.
        """
        subscription = self.subscription(client)
        handover, payloads = release(subscription.of(client) if subscription else None, known)
        assert subscription is not None  # who has a buffer has one
        if subscription.held_bytes.pop(client, 0) > self._max_buffer_bytes:
            raise BufferFull(self._max_buffer_bytes)
        for payload in payloads:
            client.write_live(text_frame(payload))
        subscription.put(client, handover)

    def leave(self, client: Client) -> None:
        """Forget the client; unsubscribe after the last one. Does nothing if it never joined."""
        subscription = self.subscription(client)
        if subscription is None:
            return
        channel, commands = self._channels.of(subscription).leave(
            last=not subscription.remove(client)
        )
        self._channels.become(subscription, channel)
        if not channel.wanted:
            del self._subscriptions[subscription.channel]
        if self._link is not None:
            with contextlib.suppress(StoreLost):  # the store forgets us by itself
                self._channels.ask(self._link, subscription, (channel, commands))

    # --- positions ---

    def subscription(self, client: Client) -> Subscription | None:
        """The client's subscription, None when its session has none."""
        return self._subscriptions.get(stream_key(client.session_id).encode())

    def resubscribe(self, session_id: str) -> None:
        """Send SUBSCRIBE again for a channel that may have gone deaf. Live chunks go on."""
        subscription = self._subscriptions.get(stream_key(session_id).encode())
        if subscription is None or self._link is None:
            return
        channel, commands = self._channels.of(subscription).resubscribe()
        if commands:
            subscription.confirmed = asyncio.get_running_loop().create_future()
            self._channels.ask(self._link, subscription, (channel, commands))
