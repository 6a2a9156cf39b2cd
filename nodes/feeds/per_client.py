"""Pub/Sub as most relays have it: one `PubSub` of redis-py a client, on redis-py's own pool.

It is here to be measured beside `Hub`, which a node has by default: each message comes once a
client instead of once, a client costs the store a connection, and the pool ends at 100 of
them unless the URL says `max_connections=N`. Confirmations are waited for here as there, though
`await pubsub.subscribe()` does not. What is noted as the sending of SUBSCRIBE has the connecting in
it. A PubSub that fails, or is cut, closes its client.
"""

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chunk7.delivery.effects import Sink
from chunk7.delivery.errors import OrderingError, StoreLost
from chunk7.nodes.feeds.pubsub import Hub, Subscription
from chunk7.nodes.transports.websocket import Client
from chunk7.wire.store.address import pooled_client

MAX_REASON = 100
"""Characters, of at most 123 bytes that a close frame has room for (RFC 6455, section 5.5)."""


class PubSubLink:
    """What a hub needs of a link, by a PubSub of its own; for one channel."""

    def __init__(self, redis: Redis, hub: Hub) -> None:
        self._redis = redis
        self._hub = hub
        self._listening: asyncio.Task[None] | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once redis-py has given up, or UNSUBSCRIBE was pushed."""
        self.reason = ""

    def push(self, command: str, channel: bytes) -> None:
        """SUBSCRIBE once, later UNSUBSCRIBE, which gives the connection back."""
        if command == "SUBSCRIBE":
            self._listening = asyncio.create_task(self._listen(channel))
        elif self._listening is not None:
            self._listening.cancel()

    async def _listen(self, channel: bytes) -> None:
        confirmed = False
        pubsub = self._redis.pubsub()
        try:
            await pubsub.subscribe(channel)
            async for message in pubsub.listen():
                kind = message["type"].encode()
                if kind == b"message" or not confirmed:  # with retries it subscribes anew
                    confirmed = True
                    self._hub.on_push([kind, message["channel"], message["data"]])
                    self._hub.on_read()
        except (RedisError, OSError) as error:
            self.reason = str(error) or type(error).__name__
        finally:
            self.lost.set_result(None)
            await pubsub.aclose()  # type: ignore[no-untyped-call]


class PerClientHub(Hub):
    """A hub a client. The node's own subscription link serves its ping alone."""

    def __init__(
        self,
        url: str,
        max_buffer_bytes: int,
        on_message: Callable[[int], None],
        on_bad_message: Callable[[bytes, bytes], None],
    ) -> None:
        super().__init__(max_buffer_bytes, on_message, on_bad_message)
        self._redis = pooled_client(url)
        self._hubs: dict[str, dict[Client, Hub]] = {}

    @property
    def channels(self) -> int:
        """How many subscriptions the node has asked for."""
        return sum(map(len, self._hubs.values()))

    def heard(self, session_id: str) -> int | None:
        """Live messages of the session that its clients were sent by the store, together."""
        hubs = self._hubs.get(session_id, {}).values()
        counts = [count for hub in hubs if (count := hub.heard(session_id)) is not None]
        return sum(counts) if counts else None

    def join(
        self, client: Client, to: Sink, after_seq: int = 0, positioned: bool = False
    ) -> Subscription:
        """As `Hub.join`. A client whose subscription fails later is closed."""
        if self._link is None:
            raise StoreLost("the store is away")
        hubs = self._hubs.setdefault(client.session_id, {})
        if client in hubs:
            raise OrderingError("the ordering subscribes twice")
        hub = hubs[client] = Hub(self._max_buffer_bytes, self._on_message, self._on_bad_message)
        link = PubSubLink(self._redis, hub)
        link.lost.add_done_callback(hub._disconnected)
        link.lost.add_done_callback(lambda _lost: self._ended(client, link.reason))
        hub._link = link  # type: ignore[assignment]
        hub.on_hole = self.on_hole
        return hub.join(client, to, after_seq, positioned)

    def resubscribe(self, session_id: str) -> None:
        """Nothing: a PubSub subscribes once. What a deaf one misses is read at each heartbeat."""

    def subscription(self, client: Client) -> Subscription | None:
        """As `Hub.subscription`."""
        hub = self._hubs.get(client.session_id, {}).get(client)
        return None if hub is None else hub.subscription(client)

    def _ended(self, client: Client, reason: str) -> None:
        if client in self._hubs.get(client.session_id, {}):  # it has not left
            client.close(1011, f"subscription: {reason}"[:MAX_REASON])

    def release(self, client: Client, known: frozenset[int]) -> None:
        """As `Hub.release`."""
        hub = self._hubs.get(client.session_id, {}).get(client)
        if hub is None:
            raise OrderingError("the ordering releases a buffer that it does not have")
        hub.release(client, known)

    def leave(self, client: Client) -> None:
        """As `Hub.leave`."""
        hubs = self._hubs.get(client.session_id, {})
        hub = hubs.pop(client, None)
        if hub is not None:
            hub.leave(client)
        if not hubs:
            self._hubs.pop(client.session_id, None)

    async def close(self) -> None:
        """Close the pool."""
        await self._redis.aclose()
