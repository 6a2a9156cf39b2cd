"""The producer's connection to the store: kept, or made again, and never silently."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from chunk7.delivery.errors import StoreError, StoreUnreachable
from chunk7.producer.journal import Journal
from chunk7.wire.clock import measure_offset
from chunk7.wire.store.epochs import Epochs
from chunk7.wire.store.layout import OWN, Layout
from chunk7.wire.store.reconnect import ServerIdentity, run_id, until_open
from chunk7.wire.store.store import Store

CLOCK_WITHIN_S = 0.5
"""Longest time for a ping or for measuring the clock."""
ANSWER_WITHIN_S = 5.0
"""Longest time for a new connection's server to say who it is."""
log = logging.getLogger("producer")


class StoreConnection:
    """`store` is the newest connection; after a loss its commands fail at once until it is back."""

    def __init__(
        self, store: Store, open_store: Callable[[], Awaitable[Store]], server: str
    ) -> None:
        self.store = store
        self._open = open_store
        self._server = ServerIdentity()
        self._server.learn(server)

    @classmethod
    async def open(
        cls, url: str, name: str, ttl_ms: int, max_entries: int | None, layout: Layout = OWN
    ) -> "StoreConnection":
        """Connect; raises as `chunk7.wire.store.link.Link.open`.

        Numbers that begin (again) begin an epoch, but in somebody else's layout, which has none.
        """
        epochs = Epochs() if layout is OWN else None
        open_store = partial(Store.open, url, name, ttl_ms, max_entries, layout, epochs)
        store, server = await _identified(open_store)
        return cls(store, open_store, server)

    async def watch(self, journal: Journal) -> None:
        """For ever: when the connection is lost say so, and connect again."""
        while True:
            await asyncio.wait([self.store.link.lost])
            log.warning("the store is lost; trying again")
            journal.event("store_lost")
            self.store, server = await until_open(partial(_identified, self._open))
            log.warning("the store is back")
            journal.event("store_back")
            replaced = self._server.learn(server)
            if replaced is not None:
                log.warning("it is another server, which may have lost data: %s", replaced)
                journal.event("store_replaced", detail=replaced)

    async def ping(self) -> None:
        """Raises StoreError, or TimeoutError, unless the store answers now."""
        async with asyncio.timeout(CLOCK_WITHIN_S):
            await self.store.link.send("PING")

    async def note_clock(self, journal: Journal) -> None:
        """Measure our clock against the store's; a store that does not answer leaves no row."""
        try:
            async with asyncio.timeout(CLOCK_WITHIN_S):
                journal.clock(*await measure_offset(self.store.time_us))
        except (StoreError, TimeoutError) as error:
            log.warning("the clock was not measured: %s", str(error) or "no answer")

    async def close(self) -> None:
        """Disconnect."""
        await self.store.close()


async def _identified(open_store: Callable[[], Awaitable[Store]]) -> tuple[Store, str]:
    """A new connection and the run id of its server; leaves nothing open when it fails."""
    store = await open_store()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return store, await run_id(store.link)
    except TimeoutError as error:
        await store.close()
        raise StoreUnreachable(f"no answer for {ANSWER_WITHIN_S:g} s") from error
    except BaseException:
        await store.close()
        raise
