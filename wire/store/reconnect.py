"""How a lost store is found again, by node and producer alike, and whether it is the same one."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chunk7.delivery.errors import StoreError, StoreLost
from chunk7.wire.store.link import Link

MAX_BACKOFF_S = 1.0
FIRST_BACKOFF_S = 0.05
SHOWN = 8
"""Characters of a run id that are shown, of its 40."""
_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)
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


async def run_id(link: Link) -> str:
    """INFO server: the server process's own name; empty where we may not ask. Raises StoreLost."""
    try:
        found = _RUN_ID.search(await link.send("INFO", "server"))
    except StoreLost:
        raise
    except StoreError:
        return ""
    return "" if found is None else found[1].decode()


class ServerIdentity:
    """Which server process we are connected to, by its run id.

    Another one, a restarted server or a promoted replica, may have all, some or nothing of what the
    one before had: who it is does not tell.
    """

    def __init__(self) -> None:
        self._run_id = ""

    def learn(self, run_id: str) -> str | None:
        """A run id, empty where it is not known; `OLD -> NEW`, shortened, if it is another one."""
        old, self._run_id = self._run_id, run_id or self._run_id
        if not old or old == self._run_id:
            return None
        return f"{old[:SHOWN]} -> {run_id[:SHOWN]}"
