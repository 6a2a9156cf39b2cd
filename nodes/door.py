"""Who has come in at the node's port: every accepted connection counts, whatever it became.

A connection is a stranger until its WebSocket handshake is let through: half open, or with a plain
HTTP question. Clients are at most `--max-clients`, strangers MAX_STRANGERS more than there is room
for clients, so that a node full of clients still answers `/healthz`, and files stay free for
records and store. When one too many comes, the stranger that has been here longest is cut off:
whoever means it is done with its handshake in milliseconds, and who floods the port with half-open
connections cuts off its own.
"""

import asyncio
from typing import Generic, Protocol, TypeVar

MAX_STRANGERS = 64
"""Connections beyond --max-clients: questions, refusals, handshakes under way at a full node."""


class Counted(Protocol):
    """What is counted; each is equal to itself alone."""

    transport: asyncio.Transport


C = TypeVar("C", bound=Counted)


class Door(Generic[C]):
    """Counts connections in and out. Its methods are called in the event loop, and never wait."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self._clients: set[C] = set()
        self._strangers: dict[C, None] = {}  # in the order in which they came
        self.cut = 0
        """Strangers cut off since the start."""

    @property
    def full(self) -> bool:
        """Whether there are as many clients as there may be."""
        return len(self._clients) >= self._max_clients

    def __len__(self) -> int:
        """Connections accepted and not yet gone."""
        return len(self._clients) + len(self._strangers)

    def clients(self) -> list[C]:
        """Those that were let through."""
        return [*self._clients]

    def everybody(self) -> list[C]:
        """Clients and strangers."""
        return [*self._clients, *self._strangers]

    def enter(self, connection: C) -> None:
        """A connection was accepted."""
        self._strangers[connection] = None
        if len(self) > self._max_clients + MAX_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.transport.abort()
            self.cut += 1

    def admit(self, connection: C) -> None:
        """Its handshake is let through: it is a client now, unless it has gone meanwhile."""
        if connection in self._strangers:
            del self._strangers[connection]
            self._clients.add(connection)

    def leave(self, connection: C) -> None:
        """It is gone."""
        self._strangers.pop(connection, None)
        self._clients.discard(connection)
