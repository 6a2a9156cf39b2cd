"""One connected client: a bounded outbox, and what is noted when it leaves.

Frames are written to the transport as ready-made bytes. A chunk's are built once, whoever gets
it, and writing never waits: a client that does not keep up is closed, and slows nobody. What it is
behind waits here as references to those same bytes; asyncio's own buffer, which would copy them for
each client into one growing block, is left once it is past its mark.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from websockets.frames import Frame, Opcode
from websockets.protocol import State

from chunk7.nodes.transports.connection import NodeConnection
from chunk7.wire.clock import now_ns

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame, its backlog included."""
STALL_TIMEOUT_S = 5.0
"""How long a client may take for one piece of a history: what it will be sent is in memory."""


def text_frame(payload: bytes) -> bytes:
    """A JSON payload as a server's WebSocket text frame (RFC 6455, section 5.2: not masked)."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


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
        "_in_message",
        "_max_outbox_bytes",
        "_on_slow",
        "_outbox",
        "_outbox_bytes",
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
        self._protocol = connection.protocol
        self._transport = connection.transport
        self._max_outbox_bytes = max_outbox_bytes
        self._outbox: deque[bytes] = deque()
        """What waits until the transport is below its mark again, or a message is complete."""
        self._outbox_bytes = 0
        self._in_message = False
        """A fragmented message is under way: no other may begin."""
        self._on_slow = on_slow
        self._closing: tuple[int, str] | None = None
        self._closing_task: asyncio.Task[None] | None = None
        connection.on_writable = self._flush

    def write(self, frame: bytes) -> bool:
        """Write a ready-made frame; false when the client is gone or going."""
        if self._closing is not None or self._protocol.state is not State.OPEN:
            return False
        if self._in_message or self._connection.paused:
            self._put_by(frame)
        else:
            self._transport.write(frame)
        return True

    def _put_by(self, frame: bytes) -> None:
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

    def write_live(self, frames: bytes, count: int = 1) -> None:
        """Write the frames of so many live chunks, and count them."""
        if self.write(frames):
            if self.first_live_ns is None:
                self.first_live_ns = now_ns()
            self.live_count += count

    async def write_history(self, pieces: Iterable[bytes]) -> None:
        """Write a history frame in pieces, each when the client has taken most of the one before.

        Its size is no sign of slowness: it does not count against the outbox, in which live frames
        wait meanwhile. Returns when the last piece is mostly taken.
        Raises OSError when the connection breaks, or takes nothing for STALL_TIMEOUT_S.
        """
        await self._taken()
        self._in_message = True
        try:
            for frame in fragments(pieces):
                if self._closing is not None or self._protocol.state is not State.OPEN:
                    return
                self._transport.write(frame)
                await self._taken()
            self._in_message = False
        finally:
            if self._in_message:  # nothing can follow a message that has no end
                self._outbox.clear()
                self.close(1013, "slow_client")
            else:
                self._flush()

    async def _taken(self) -> None:
        """Wait until the transport is below its mark."""
        try:
            async with asyncio.timeout(STALL_TIMEOUT_S):
                while self._connection.paused and self._protocol.state is State.OPEN:
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
            self._outbox.clear()

    @property
    def ended(self) -> tuple[int | None, str | None]:
        """Close code and reason: ours if we closed it, else as the connection ended."""
        return self._closing or (self._connection.close_code, self._connection.close_reason)
