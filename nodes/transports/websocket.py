"""One connected client: a bounded outbox, and what is noted when it leaves.

Frames are written to the transport as ready-made bytes. A chunk's are built once, whoever gets
it, and writing never waits: a client that does not keep up is closed, and slows nobody.
"""

import asyncio
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from chunk7.wire.clock import now_ns

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame, its backlog included."""


def text_frame(payload: bytes) -> bytes:
    """A JSON payload as a server's WebSocket text frame (RFC 6455, section 5.2: not masked)."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


class Client:
    """A client and its connection. `on_slow` is called once if its outbox overflows."""

    __slots__ = (
        "_closing",
        "_closing_task",
        "_connection",
        "_credit_bytes",
        "_max_outbox_bytes",
        "_on_slow",
        "_protocol",
        "_transport",
        "connection_id",
        "fetch_count",
        "first_live_ns",
        "live_count",
        "session_id",
    )

    def __init__(
        self,
        connection: ServerConnection,
        connection_id: int,
        session_id: str,
        max_outbox_bytes: int,
        on_slow: "Callable[[Client], None]",
    ) -> None:
        self.connection_id = connection_id
        self.session_id = session_id
        self.first_live_ns: int | None = None
        self.live_count = 0
        self.fetch_count = 0
        self._connection = connection
        self._protocol = connection.protocol
        self._transport = connection.transport
        self._max_outbox_bytes = max_outbox_bytes
        self._credit_bytes = max_outbox_bytes
        """What may be written before the outbox could be full, whether or not it has emptied."""
        self._on_slow = on_slow
        self._closing: tuple[int, str] | None = None
        self._closing_task: asyncio.Task[None] | None = None

    def write(self, frame: bytes) -> bool:
        """Write a ready-made frame; false when the client is gone or going."""
        if self._closing is not None or self._protocol.state is not State.OPEN:
            return False
        self._transport.write(frame)
        self._credit_bytes -= len(frame)
        if self._credit_bytes < 0:
            self._renew_credit()
        return True

    def _renew_credit(self) -> None:
        """Look how full the outbox is: that costs time in its length, so not at every write."""
        self._credit_bytes = self._max_outbox_bytes - self._transport.get_write_buffer_size()
        if self._credit_bytes < 0:
            self.close(1013, "slow_client")
            self._on_slow(self)

    def write_live(self, frame: bytes) -> None:
        """Write a live chunk's frame, and count it."""
        if self.write(frame):
            if self.first_live_ns is None:
                self.first_live_ns = now_ns()
            self.live_count += 1

    async def write_history(self, frame: bytes) -> None:
        """Write a history frame and wait until the client has taken most of it.

        Its size is no sign of slowness, so it does not count against the outbox meanwhile.
        Raises OSError when the connection breaks.
        """
        self._max_outbox_bytes += len(frame)
        self._credit_bytes += len(frame)
        try:
            if self.write(frame):
                await self._connection.drain()
        finally:
            self._max_outbox_bytes -= len(frame)
            self._credit_bytes = 0  # look again at the next write

    def close(self, code: int, reason: str) -> asyncio.Task[None]:
        """Begin to close; the first code and reason stand. The task ends when it is done."""
        if self._closing_task is None:
            if self._connection.state is State.OPEN:
                self._closing = code, reason
            self._closing_task = asyncio.create_task(self._close(code, reason))
        return self._closing_task

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._connection.close(code, reason)
        except TimeoutError:
            self.abort()

    @property
    def ended(self) -> tuple[int | None, str | None]:
        """Close code and reason: ours if we closed it, else as the connection ended."""
        return self._closing or (self._connection.close_code, self._connection.close_reason)
