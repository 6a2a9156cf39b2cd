"""Epochs: which life of a session's numbers its data is of (docs/decisions/epochs.md).

A store that came back empty, one that lost its last second, an evicted counter: each gives out
numbers that were given out before. Whoever takes such a number begins an epoch with it, before
anybody can have seen the chunk. So two numbers of one session may be compared exactly if their
epochs are the same.
"""

import secrets
from collections.abc import Callable

MAX_SESSIONS = 100_000
"""Of whose numbers a producer keeps the last; the one it has known longest is forgotten first."""
KEPT_FOR_TTLS = 24
"""An epoch is kept so many times as long as an idle history. It may well outlive its data: the
next number is then a first one, and begins another."""


def _draw() -> str:
    return secrets.token_hex(4)


class Epochs:
    """The last number that we took in each session, whatever store it was that gave it."""

    def __init__(self, draw: Callable[[], str] = _draw) -> None:
        self._draw = draw
        self._sessions: dict[str, tuple[int, str]] = {}

    def next(self, session_id: str) -> tuple[int, str]:
        """The last number taken, 0 for none, and the epoch to begin if the next is not above it.

        The epoch stays the same until it has begun: commands under way may all begin it.
        """
        if session_id not in self._sessions:
            if len(self._sessions) >= MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session_id] = 0, self._draw()
        return self._sessions[session_id]

    def took(self, session_id: str, seq: int) -> str | None:
        """A number was taken; the epoch that begins with it, if one does.

        A first number does whatever we know: it may be another producer that knew better.
        """
        last_seq, epoch = self.next(session_id)
        begins = seq == 1 or seq <= last_seq
        self._sessions[session_id] = seq, self._draw() if begins else epoch
        return epoch if begins else None
