"""One connected client: a bounded outbox, and what is noted when it leaves.

Frames are written to the transport as ready-made bytes. A chunk's are built once, whoever gets
it, and writing never waits: a client that does not keep up is closed, and slows nobody. What it is
behind waits here as references to those same bytes; asyncio's own buffer, which would copy them for
each client into one growing block, has no more than the rest of one write.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from websockets.frames import Frame, Opcode
from websockets.protocol import State

from chunk7.nodes.transports.connection import CLOSE_TIMEOUT_S, NodeConnection
from chunk7.wire.clock import now_ns

STALL_TIMEOUT_S = 5.0
"""How long a client may take for one piece of a history: what it will be sent is in memory."""


def text_frame(payload: bytes) -> bytes:
    """A JSON payload as a server's WebSocket text frame (RFC 6455, section 5.2: not masked)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 1 << 16:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def fragments(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of one JSON payload as one fragmented message (RFC 6455, section 5.4)."""
    before: bytes | None = None
    opcode = Opcode.TEXT
    for piece in pieces:
        if before is not None:
            yield Frame(opcode, before, fin=False).serialize(mask=False)
            opcode = Opcode.CONT
        before = piece
    if before is not None:
        yield Frame(opcode, before).serialize(mask=False)


class Client:
    """A client and its connection. `on_slow` is called once if its outbox overflows."""

    __slots__ = (
        "_closing",
        "_closing_task",
        "_connection",
        "_direct",
        "_fileno",
        "_in_message",
        "_max_outbox_bytes",
        "_on_slow",
        "_outbox",
        "_outbox_bytes",
        "_transport",
        "connection_id",
        "fetch_count",
        "first_live_ns",
        "live_count",
        "session_id",
    )

    def __init__(
        self,
        connection: NodeConnection,
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
        self._transport = connection.transport
        self._fileno = connection.fileno
        self._max_outbox_bytes = max_outbox_bytes
        self._outbox: deque[bytes] | None = None
        """What waits until the system takes something again, or a message is complete."""
        self._outbox_bytes = 0
        self._in_message = False
        """A fragmented message is under way: no other may begin."""
        self._direct = True
        """Neither in a message nor closing: if the connection is ready, frames are written."""
        self._on_slow = on_slow
        self._closing: tuple[int, str] | None = None
        self._closing_task: asyncio.Task[None] | None = None
        connection.on_writable = self._flush

    def write(self, frame: bytes) -> bool:
        """Write a ready-made frame; false when the client is gone or going."""
        if self._direct and self._connection.ready:
            self._write(frame)
            return True
        if self._closing is not None or self._connection.state is not State.OPEN:
            return False
        self._put_by(frame)
        return True

    def _write(self, frames: bytes) -> None:
        """Straight to the system, with what it does not take to the transport, whose error it is.

        asyncio would ask itself first what we know: a tenth of a delivery.
        """
        try:
            sent = os.write(self._fileno, frames)
        except OSError:
            sent = 0
        if sent < len(frames):
            self._transport.write(frames[sent:])

    def _put_by(self, frame: bytes) -> None:
        if self._outbox is None:
            self._outbox = deque()
        self._outbox.append(frame)
        self._outbox_bytes += len(frame)
        if self._outbox_bytes > self._max_outbox_bytes:
            self.close(1013, "slow_client")
            self._on_slow(self)

    def _flush(self) -> None:
        """Write what waits, as far as the transport takes it."""
        while self._outbox and not self._in_message and not self._connection.paused:
            frame = self._outbox.popleft()
            self._outbox_bytes -= len(frame)
            self._transport.write(frame)
        if not self._outbox:
            self._outbox = None

    def write_live(self, frames: bytes, count: int = 1) -> None:
        """Write the frames of so many live chunks, and count them."""
        if self._direct and self._connection.ready:
            self._write(frames)
        elif not self.write(frames):
            return
        if not self.live_count:
            self.first_live_ns = now_ns()
        self.live_count += count

    async def write_history(self, pieces: Iterable[bytes]) -> None:
        """Write a history frame in pieces, each when the client has taken most of the one before.

        Its size is no sign of slowness: it does not count against the outbox, in which live frames
        wait meanwhile. Returns when the last piece is mostly taken.
        Raises OSError when the connection breaks, or takes nothing for STALL_TIMEOUT_S.
        """
        await self._taken()
        self._in_message, self._direct = True, False
        try:
            for frame in fragments(pieces):
                if self._closing is not None or self._connection.state is not State.OPEN:
                    return
                self._transport.write(frame)
                await self._taken()
            self._in_message = False
        finally:
            if self._in_message:  # nothing can follow a message that has no end
                self._outbox = None
                self.close(1013, "slow_client")
            else:
                self._flush()
                self._direct = self._closing_task is None

    async def _taken(self) -> None:
        """Wait until the system has taken what was written."""
        if not self._connection.paused:
            return
        try:
            async with asyncio.timeout(STALL_TIMEOUT_S):
                while self._connection.paused and self._connection.state is State.OPEN:
                    await self._connection.drain()
        except TimeoutError as error:
            raise ConnectionAbortedError(
                f"the client took nothing for {STALL_TIMEOUT_S:g} s"
            ) from error

    def close(self, code: int, reason: str) -> asyncio.Task[None]:
        """Begin to close; the first code and reason stand. The task ends when it is done."""
        if self._closing_task is None:
            if self._connection.state is State.OPEN:
                self._closing = code, reason
            self._direct = False
            self._closing_task = asyncio.create_task(self._close(code, reason))
        return self._closing_task

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    async def _close(self, code: int, reason: str) -> None:
        """Send what waits, then say why, then close."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                while self._outbox and self._connection.paused:
                    await self._connection.drain()
                await self._connection.close(code, reason)
        except (TimeoutError, OSError):
            self.abort()
        finally:
            self._outbox = None

    @property
    def ended(self) -> tuple[int | None, str | None]:
        """Close code and reason: ours if we closed it, else as the connection ended."""
        protocol = self._connection.protocol
        return self._closing or (protocol.close_code, protocol.close_reason)
