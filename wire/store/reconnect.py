"""How a lost store is found again, by node and producer alike."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chunk7.delivery.errors import StoreError

MAX_BACKOFF_S = 1.0
FIRST_BACKOFF_S = 0.05
Opened = TypeVar("Opened")


async def until_open(attempt: Callable[[], Awaitable[Opened]]) -> Opened:
    """Attempt for as long as it takes, at growing intervals, and give what it gave.

    The intervals are random, so that not all nodes come at the same moment to a store that is back.
    """
    backoff_s = FIRST_BACKOFF_S
    while True:
        await asyncio.sleep(backoff_s * random.uniform(0.5, 1))
        try:
            return await attempt()
        except StoreError:
            backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)
