"""A client's connection as websockets has it, and whom it tells of its life."""

import asyncio
from collections.abc import Callable
from typing import Any

from chunk7.nodes.door import Door
from chunk7.nodes.transports.frame_limit import LimitedConnection

MAX_UNREAD_BYTES = 1 << 20
"""Pongs and the like that may wait for a client that asks and never reads."""


def nothing() -> None:
    """What a connection tells whom nobody has asked to be told."""


class NodeConnection(LimitedConnection):
    """Counted at the door. `on_writable` and `on_lost` are its user's, called in the event loop."""

    def __init__(self, door: Door, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._door = door
        self.on_writable: Callable[[], object] = nothing
        self.on_lost: Callable[[], object] = nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self)
        super().connection_lost(exc)
        self.on_lost()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.on_writable()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.paused and self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()
