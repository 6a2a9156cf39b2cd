"""The producer's connection to the store: kept, or made again, and never silently."""

import asyncio
import logging

from chunk7.delivery.errors import StoreError
from chunk7.producer.journal import Journal
from chunk7.wire.clock import measure_offset
from chunk7.wire.store.reconnect import until_open
from chunk7.wire.store.store import Store

CLOCK_WITHIN_S = 0.5
"""Longest time for a ping or for measuring the clock."""
log = logging.getLogger("producer")


class StoreConnection:
    """`store` is the newest connection; after a loss its commands fail at once until it is back."""

    def __init__(
        self, store: Store, url: str, name: str, ttl_ms: int, max_entries: int | None
    ) -> None:
        self.store = store
        self._url = url
        self._name = name
        self._ttl_ms = ttl_ms
        self._max_entries = max_entries

    @classmethod
    async def open(
        cls, url: str, name: str, ttl_ms: int, max_entries: int | None
    ) -> "StoreConnection":
        """Connect; raises as `chunk7.wire.store.link.Link.open`."""
        store = await Store.open(url, name, ttl_ms, max_entries)
        return cls(store, url, name, ttl_ms, max_entries)

    async def watch(self, journal: Journal) -> None:
        """For ever: when the connection is lost say so, and connect again."""
        while True:
            await asyncio.wait([self.store.link.lost])
            log.warning("the store is lost; trying again")
            journal.event("store_lost")
            self.store = await until_open(self._open)
            log.warning("the store is back")
            journal.event("store_back")

    async def _open(self) -> Store:
        return await Store.open(self._url, self._name, self._ttl_ms, self._max_entries)

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
