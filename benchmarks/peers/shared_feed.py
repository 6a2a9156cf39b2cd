"""One confirmed subscription a session for all its clients, with redis-py: as a good relay does."""

import asyncio
from collections.abc import Callable

from redis.asyncio import Redis

Send = Callable[[bytes], None]


class SharedFeed:
    """Brings what is published in `chat:stream:SESSION` to those who have joined the session."""

    def __init__(self, redis: "Redis") -> None:
        self._pubsub = redis.pubsub()
        self._clients: dict[str, set[Send]] = {}
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._changing = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def join(self, session: str, send: Send) -> None:
        """From its return on, `send` is called with each payload."""
        channel = f"chat:stream:{session}"
        self._clients.setdefault(channel, set()).add(send)
        if channel not in self._confirmed:
            self._confirmed[channel] = asyncio.get_running_loop().create_future()
            async with self._changing:  # two first ones would open two connections
                await self._pubsub.subscribe(channel)
            self._reading = self._reading or asyncio.create_task(self._read())
        await asyncio.shield(self._confirmed[channel])

    async def leave(self, session: str, send: Send) -> None:
        """The last one of a session ends its subscription."""
        channel = f"chat:stream:{session}"
        self._clients[channel].discard(send)
        if not self._clients[channel]:
            del self._clients[channel], self._confirmed[channel]
            async with self._changing:
                await self._pubsub.unsubscribe(channel)

    async def _read(self) -> None:
        while True:
            message = await self._pubsub.get_message(timeout=None)
            if message is None:  # nobody is there: it does not wait then
                await asyncio.sleep(0.01)
                continue
            channel = message["channel"].decode()
            if message["type"] == "message":
                for send in self._clients.get(channel, ()):
                    send(message["data"])
            elif message["type"] == "subscribe" and channel in self._confirmed:
                waiting = self._confirmed[channel]
                if not waiting.done():
                    waiting.set_result(None)


async def history_frame(redis: "Redis", session: str) -> bytes:
    """The saved chunks as one frame, put together without parsing them."""
    saved = await redis.lrange(f"chat:history:{session}", 0, -1)
    return b'{"type":"history","messages":[' + b",".join(saved) + b"]}"
