"""The producer's connection to the store: kept, or made again, and never silently."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from chunk7.delivery.errors import StoreError
from chunk7.producer.journal import Journal
from chunk7.wire.clock import measure_offset
from chunk7.wire.store.layout import OWN, Layout
from chunk7.wire.store.reconnect import until_open
from chunk7.wire.store.store import Store

CLOCK_WITHIN_S = 0.5
"""Longest time for a ping or for measuring the clock."""
log = logging.getLogger("producer")


class StoreConnection:
    """`store` is the newest connection; after a loss its commands fail at once until it is back."""

    def __init__(self, store: Store, open_store: Callable[[], Awaitable[Store]]) -> None:
        self.store = store
        self._open = open_store

    @classmethod
    async def open(
        cls, url: str, name: str, ttl_ms: int, max_entries: int | None, layout: Layout = OWN
    ) -> "StoreConnection":
        """Connect; raises as `chunk7.wire.store.link.Link.open`."""
        open_store = partial(Store.open, url, name, ttl_ms, max_entries, layout)
        return cls(await open_store(), open_store)

    async def watch(self, journal: Journal) -> None:
        """For ever: when the connection is lost say so, and connect again."""
        while True:
            await asyncio.wait([self.store.link.lost])
            log.warning("the store is lost; trying again")
            journal.event("store_lost")
            self.store = await until_open(self._open)
            log.warning("the store is back")
            journal.event("store_back")

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
