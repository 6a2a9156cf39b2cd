"""broadcaster 0.3.1's Redis backend and channels, so that they deliver, and from a known moment on.

Three things are mended:
- The backend wakes its reader before it has subscribed. redis-py 8 then says that there is nothing
  to read, and the reader sleeps until somebody subscribes to another channel.
- Nobody waits for the store's confirmation.
- Two clients who are the first of a channel at the same time: the second replaces the first one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broadcaster import Broadcast
from broadcaster._backends.redis import RedisBackend
from broadcaster._base import Event, Subscriber


class ConfirmingBackend(RedisBackend):
    """Subscribes, then wakes the reader, then waits until that has read the confirmation."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._confirmed: dict[str, asyncio.Event] = {}

    async def subscribe(self, channel: str) -> None:
        confirmed = self._confirmed[channel] = asyncio.Event()
        await self._pubsub.subscribe(channel)
        self._ready.set()
        await confirmed.wait()

    async def _pubsub_listener(self) -> None:
        while True:
            await self._ready.wait()
            async for message in self._pubsub.listen():
                channel = message["channel"].decode()
                if message["type"] == "subscribe":
                    self._confirmed.pop(channel).set()
                elif message["type"] == "message":
                    await self._queue.put(Event(channel, message["data"].decode()))
            self._ready.clear()


class MendedBroadcast(Broadcast):
    """One client at a time comes or leaves."""

    def __init__(self, url: str) -> None:
        super().__init__(backend=ConfirmingBackend(url))
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncIterator[Subscriber]:
        subscription = super().subscribe(channel)
        async with self._changing:
            subscriber = await subscription.__aenter__()
        try:
            yield subscriber
        finally:
            async with self._changing:
                await subscription.__aexit__(None, None, None)
