"""Instants: CLOCK_MONOTONIC, which every process of one host shares, and its offset to the store's.

Instants in records are `now_ns()`. Two processes with the same `boot_id()` share that clock; for
others `measure_offset` gives what to add to reach the store's TIME, and how far that may be off.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from chunk7.delivery.errors import StoreError

now_ns = time.monotonic_ns


def boot_id() -> str:
    """Which boot of which host this is; '' where the system does not say (not Linux)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


async def measure_offset(
    store_time_us: Callable[[], Awaitable[int]], tries: int = 8
) -> tuple[int, int]:
    """(offset_ns, uncertainty_ns): store's TIME minus our clock, by Cristian's algorithm.

    The quickest of `tries` round trips is kept; the truth is within half of it.
    Source: F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3 (1989).
    """
    best: tuple[int, int] | None = None
    for _ in range(tries):
        sent = now_ns()
        store_ns = await store_time_us() * 1_000
        half_trip = (now_ns() - sent) // 2
        if best is None or half_trip < best[1]:
            best = (store_ns - sent - half_trip, half_trip)
    if best is None:
        raise StoreError("measure_offset needs at least one try")
    return best
