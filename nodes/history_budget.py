"""How much memory a node spends on histories at once, whoever asks for them.

A history is in memory from the store's answer until its client has taken it, and a client that
does not read takes its time. So they share a budget; one that does not fit any more is read again
when there is room. Small ones pass large ones that wait: those have a time limit anyway.
"""

import asyncio
from collections import deque

CHUNK_BYTES = 400
"""What a chunk takes beside its stored bytes while an ordering holds it."""


def cost_bytes(payloads: list[bytes]) -> int:
    """What these stored chunks take in memory, about."""
    return sum(map(len, payloads)) + CHUNK_BYTES * len(payloads)


class HistoryBudget:
    """`used_bytes` are taken. What is larger than the whole budget is let in when it is alone."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used_bytes = 0

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        return len(self._waiting)

    def try_take(self, size_bytes: int) -> bool:
        """Take so much if there is room for it now."""
        if self.used_bytes and self.used_bytes + size_bytes > self._max_bytes:
            return False
        self.used_bytes += size_bytes
        return True

    async def take(self, size_bytes: int) -> None:
        """Take so much as soon as there is room. The caller bounds the time."""
        if self.try_take(size_bytes):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given room, and cannot use it
                self.give_back(size_bytes)
            raise

    def give_back(self, size_bytes: int) -> None:
        """So much is free again: whoever has waited longest and fits comes in."""
        self.used_bytes -= size_bytes
        waiting, self._waiting = self._waiting, deque()
        for size, turn in waiting:
            if turn.done():
                continue
            if self.try_take(size):
                turn.set_result(None)
            else:
                self._waiting.append((size, turn))
