"""The node's side towards the store: three connections that live and die together.

One carries commands, one subscriptions, one blocks in XREAD. If any of them is lost, or does not
answer in time, all three are replaced: what a half-connected node would tell its clients is hard
to say. Nothing is hidden: between `on_lost` and `on_back` chunks may have been missed.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from chunk7.delivery.errors import StoreError, StoreUnreachable
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.feeds.stream import StreamFeed
from chunk7.wire.clock import now_ns
from chunk7.wire.store.link import Link
from chunk7.wire.store.reconnect import ServerIdentity, run_id, until_open
from chunk7.wire.store.store import Store

PING_EVERY_S = 1.0
REPLY_TIMEOUT_S = 5.0
"""A store that is silent for longer is taken to be gone."""


class Backend:
    """Opens the connections, watches them, and opens them again for as long as it takes.

    `on_pong(round_trip_s)` is called for every sign of life, one a second. `on_back(replaced)` says
    which server has taken the place of which, None if it is the same: another may have lost all.
    """

    def __init__(
        self,
        url: str,
        name: str,
        hub: Hub,
        tail: StreamFeed,
        on_lost: Callable[[str], None],
        on_back: Callable[[str | None], None],
        on_pong: Callable[[float], None],
    ) -> None:
        self._url = url
        self._name = name
        self._hub = hub
        self._tail = tail
        self._on_lost = on_lost
        self._on_back = on_back
        self._on_pong = on_pong
        self._links: tuple[Link, ...] = ()
        self._server = ServerIdentity()
        self.store: Store
        self.down: asyncio.Future[str]
        """Done, with the reason, from the loss on; replaced by a new one once all is back."""

    async def open(self) -> None:
        """The first connection: raises UsageError, StoreUnreachable or StoreError."""
        await self._open()
        self.down = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Keep the store connected until cancelled."""
        while True:
            reason = await self._serve()
            self.interrupt(reason)
            self._on_lost(reason)
            await self.close()
            replaced = await until_open(self._open)
            self.down = asyncio.get_running_loop().create_future()
            self._on_back(replaced)

    async def close(self) -> None:
        """Disconnect; what is under way gets StoreLost."""
        links, self._links = self._links, ()
        await asyncio.gather(*(link.close() for link in links))  # a silent store takes its time

    def interrupt(self, reason: str) -> None:
        """End every join under way, without touching the connections."""
        if not self.down.done():
            self.down.set_result(reason)

    async def _serve(self) -> str:
        """Until the store is lost: why."""
        duties = [asyncio.create_task(self._ping()), asyncio.create_task(self._follow())]
        ends: list[asyncio.Future[Any]] = [*duties, *(link.lost for link in self._links)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return next((duty.result() for duty in duties if duty.done()), "connection closed")
        finally:
            for duty in duties:
                duty.cancel()

    async def _follow(self) -> str:
        try:
            await self._tail.run(self._links[-1])
        except TimeoutError:
            return "no answer to XREAD"
        except StoreError as error:
            return str(error)

    async def _ping(self) -> str:
        """Ask for a sign of life now and then: a vanished host closes no connection."""
        try:
            while True:
                async with asyncio.timeout(REPLY_TIMEOUT_S):
                    sent_ns = now_ns()
                    await asyncio.gather(self.store.link.send("PING"), self._hub.ping())
                self._on_pong((now_ns() - sent_ns) / 1e9)
                await asyncio.sleep(PING_EVERY_S)
        except TimeoutError:
            return f"no answer for {REPLY_TIMEOUT_S:g} s"
        except StoreError as error:
            return str(error)

    async def _open(self) -> str | None:
        """Open all three and take subscriptions up again; leaves nothing open when it fails.

        Returns as `ServerIdentity.learn`.
        """
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                self.store = await Store.open(self._url, self._name)
                self._links = (self.store.link,)
                subscriptions = await Link.open(
                    self._url,
                    f"{self._name}-subscriptions",
                    on_push=self._hub.on_push,
                    on_read=self._hub.on_read,
                )
                self._links = (self.store.link, subscriptions)
                reader = await Link.open(self._url, f"{self._name}-reader")
                self._links = (self.store.link, subscriptions, reader)
                await self._tail.connect(self.store, reader)
                await self._hub.connect(subscriptions)
                return self._server.learn(await run_id(self.store.link))
        except TimeoutError as error:
            await self.close()
            raise StoreUnreachable(f"no answer for {REPLY_TIMEOUT_S:g} s") from error
        except BaseException:
            await self.close()
            raise
