"""A client's connection: `websockets`' protocol, which does no I/O, on asyncio's transport.

What RFC 6455 says of the handshake, of frames and of closing is `websockets`'; here is what waits,
and what bounds it. `websockets.asyncio` would serve as well, with two tasks and half a dozen
objects more a client: twice the memory, and a third of a join (benchmarks/node_cost.md).
"""

import asyncio
import contextlib
import http
from collections.abc import Awaitable, Callable

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import SERVER, Request, Response
from websockets.protocol import Event, State

from chunk7.nodes.door import Door
from chunk7.nodes.transports.frame_limit import FrameAllowance
from chunk7.nodes.transports.handshake import Answer, BoundedServer, asked, awaited
from chunk7.nodes.transports.inbox import Inbox
from chunk7.nodes.transports.reading import SmallReads
from chunk7.nodes.transports.waiters import Waiters

MAX_MESSAGE_BYTES = 4_096
MAX_UNREAD_BYTES = 16_384
"""Pongs and the like that may wait for a client that asks and never reads."""
HANDSHAKE_TIMEOUT_S = 5.0
"""How long a handshake may take, from the connection on, its request's last byte included."""
CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame, its backlog included."""

LetIn = Callable[["NodeConnection", Request], Answer | Awaitable[Answer]]
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def nothing() -> None:
    """What a connection tells whom nobody has asked to be told."""


class NodeConnection(SmallReads):
    """Counted at the door. `on_writable` and `on_lost` are its user's, called in the event loop.

    `let_in` answers the request, None lets the handshake go on; `begin` is called when it is done.
    `ready`: asyncio holds nothing for it, so whoever writes may do so past asyncio, to `fileno`.
    """

    __slots__ = (
        "_allowance",
        "_begin",
        "_deadline",
        "_door",
        "_let_in",
        "_loop",
        "_pinged",
        "_unread_bytes",
        "_waiters",
        "fileno",
        "inbox",
        "on_lost",
        "on_writable",
        "paused",
        "protocol",
        "ready",
        "target",
        "transport",
    )

    def __init__(
        self,
        door: "Door[NodeConnection]",
        let_in: LetIn,
        begin: "Callable[[NodeConnection], object]",
        read_into: memoryview,
    ) -> None:
        super().__init__(read_into)
        self.protocol = BoundedServer(max_size=MAX_MESSAGE_BYTES)
        self.transport: asyncio.Transport
        self.inbox: Inbox
        self.target: str | None = None
        """The request's, once there is one."""
        self.paused = self.ready = False
        self.on_writable: Callable[[], object] = nothing
        self.on_lost: Callable[[], object] = nothing
        self._door = door
        self._let_in = let_in
        self._begin = begin
        self._unread_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._allowance = FrameAllowance(self._loop.time())
        self._waiters = Waiters()
        self._pinged = False
        self._deadline: asyncio.TimerHandle | None = None

    # --- what its user asks for ---

    @property
    def state(self) -> State:
        """Of the WebSocket connection."""
        return self.protocol.state

    def respond(self, status: int, text: str) -> Response:
        """A plain HTTP answer; its headers may be changed before it is returned by `let_in`."""
        return self.protocol.reject(status, text)

    async def drain(self) -> None:
        """Wait until the system has taken what was written, or it is gone."""
        if self.paused:
            await self._waiters.wait()

    async def close(self, code: int, reason: str = "") -> None:
        """Say why, and wait until it is gone, for CLOSE_TIMEOUT_S at most."""
        if self.state is State.OPEN:
            self.protocol.send_close(code, reason)
            self._send()
        while self.state is not State.CLOSED:
            await self._waiters.wait()

    def check_alive(self) -> None:
        """Called now and then: ping it, or give it up when it did not answer the last one."""
        if self.state is not State.OPEN:
            return
        if self._pinged:
            self._fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        else:
            self._pinged = True
            self.protocol.send_ping(b"chunk7")
            self._send()

    # --- the handshake ---

    def _answer(self, request: Request) -> None:
        self.target = request.path
        answer = asked(lambda: self._let_in(self, request), self.protocol)
        if answer is None or isinstance(answer, Response):
            self._respond(request, answer)
        else:
            # Who has gone is not answered: the handshake's user is nobody until there is one.
            self.on_lost = self._loop.create_task(self._answer_later(request, answer)).cancel

    async def _answer_later(self, request: Request, answer: Awaitable[Answer]) -> None:
        self._respond(request, await awaited(answer, self.protocol))

    def _respond(self, request: Request, answer: Answer) -> None:
        """Send it. Frames behind the request, sent too early, may have ended the connection."""
        if self.protocol.eof_sent or self.state is not State.CONNECTING:
            self.transport.abort()
            return
        response = self.protocol.accept(request) if answer is None else answer
        response.headers["Server"] = SERVER
        self.protocol.send_response(response)
        self._send()
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            self._set_deadline(None)
            request.headers.clear()  # the protocol's generator keeps it: 2 KiB a client
            self._begin(self)

    # --- frames ---

    def _take(self, event: Event) -> None:
        if isinstance(event, Request):
            self._answer(event)
            return
        assert isinstance(event, Frame)
        if not self._allowance.take(self._loop.time()):
            self._fail(CloseCode.POLICY_VIOLATION, "too many frames")
        elif event.opcode in _DATA:
            try:
                self.inbox.put(event)
            except UnicodeDecodeError as error:
                self._fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
        elif event.opcode is Opcode.PONG:
            self._pinged = False

    def _fail(self, code: int, reason: str) -> None:
        if self.protocol.close_sent is None:
            self.protocol.fail(code, reason)
            self._send()

    def _send(self) -> None:
        """Write what the protocol has to say, and note what has become of it."""
        for data in self.protocol.data_to_send():
            if data:
                self.transport.write(data)
                if self.paused:
                    self._unread_bytes += len(data)
            else:
                _write_eof(self.transport)
        self.ready = self.state is State.OPEN and not self.paused
        if self._deadline is None and self.protocol.close_expected():
            self._set_deadline(CLOSE_TIMEOUT_S)

    def _set_deadline(self, seconds: float | None) -> None:
        """When the connection is cut, if it has not ended or gone on by then; None: not at all."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self._loop.call_later(seconds, self.transport.abort)
        )

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.fileno: int = transport.get_extra_info("socket").fileno()
        self.inbox = Inbox(transport)
        transport.set_write_buffer_limits(0)  # paused is whoever the system takes no more for
        self._set_deadline(HANDSHAKE_TIMEOUT_S)
        self._door.enter(self)

    def data_received(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        self._send()
        for event in self.protocol.events_received():
            self._take(event)
        if self._unread_bytes > MAX_UNREAD_BYTES:
            self.transport.abort()

    def eof_received(self) -> None:
        self.protocol.receive_eof()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self)
        self.protocol.receive_eof()
        self._set_deadline(None)
        self.paused = self.ready = False
        self.inbox.end()
        self._waiters.wake()
        self.on_lost()

    def pause_writing(self) -> None:
        self.paused, self.ready = True, False

    def resume_writing(self) -> None:
        self.paused, self.ready = False, self.state is State.OPEN
        self._unread_bytes = 0
        self._waiters.wake()
        self.on_writable()


def _write_eof(transport: asyncio.Transport) -> None:
    if transport.can_write_eof():
        with contextlib.suppress(OSError):
            transport.write_eof()
