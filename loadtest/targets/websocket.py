"""One WebSocket connection of a load-test user: RFC 6455 by `websockets`, I/O by gevent.

`websockets.client.ClientProtocol` does the protocol without I/O; a cooperative socket moves the
bytes. One read may bring many frames, and they are handed over together, with one wake-up of the
greenlet. Nothing waits without a deadline.
"""

import time
from codecs import utf_8_decode
from collections.abc import Mapping, Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.deadline_socket import DeadlineSocket, open_socket
from chunk7.loadtest.targets.errors import (
    Closed,
    ConnectFailed,
    Refused,
    TargetError,
    TimedOut,
    WrongAnswer,
)
from chunk7.wire.templates import without_secrets

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""A session's whole history comes as one message."""
CLOSE_WAIT_S = 0.5
"""How long the closing handshake may take before the socket is closed without it."""

Payload = bytes | bytearray | memoryview


def connect(
    url: str,
    deadline_s: float,
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] = (),
    tls: Tls | None = None,
) -> "WebSocket":
    """Open a connection to a `ws://` or `wss://` URL until `deadline_s` of `time.monotonic()`.

    Raises ConnectFailed, Refused, TimedOut.
    """
    try:
        uri = parse_uri(url)
    except InvalidURI as error:
        raise ConnectFailed(f"{without_secrets(url)} is no WebSocket URL") from error
    raw = open_socket(uri.host, uri.port, (tls or Tls()) if uri.secure else None, deadline_s)
    protocol = ClientProtocol(
        uri,
        max_size=MESSAGE_LIMIT_BYTES,
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
    )
    connection = WebSocket(raw, protocol)
    try:
        connection.shake_hands(deadline_s, headers or {})
    except BaseException:
        connection.drop()
        raise
    return connection


class WebSocket:
    """An open connection, as `connect` makes it. One greenlet at a time may use it."""

    __slots__ = ("_fragments", "_protocol", "_ready", "_socket", "_text", "_wrong")

    def __init__(self, raw: DeadlineSocket, protocol: ClientProtocol) -> None:
        self._socket = raw
        self._protocol = protocol
        self._fragments: list[Payload] = []
        self._ready: list[Payload] = []
        self._text = False
        self._wrong: str | None = None

    def shake_hands(self, deadline_s: float, headers: Mapping[str, str]) -> None:
        """The opening handshake; raises as `connect`."""
        request = self._protocol.connect()
        for name, value in headers.items():
            if name in request.headers:  # e.g. Host: a second one would be refused
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)
        self._write()
        while self._protocol.state is State.CONNECTING:
            if not self._read(deadline_s, "no answer to the handshake in time"):
                break
            events = self._protocol.events_received()
            if events and isinstance(events[0], Response) and events[0].status_code != 101:
                raise Refused(events[0].status_code, _first_line(events[0]))
            self._gather(events)
        if self._protocol.handshake_exc is not None:
            error = self._protocol.handshake_exc
            hung_up = isinstance(error.__cause__, EOFError)
            raise (ConnectFailed if hung_up else WrongAnswer)(str(error))

    def receive(self, deadline_s: float) -> list[Payload]:
        """The messages that have come, at least one, until `deadline_s`.

        Pings are answered, fragments put together. Raises TimedOut, Closed (with the code that we
        sent where the server broke the protocol); messages that came before are returned first.
        """
        while not self._ready:
            if self._protocol.state is not State.OPEN:
                raise self._closed()
            self._read(deadline_s, "nothing received in time")
            self._gather(self._protocol.events_received())
        ready, self._ready = self._ready, []
        return ready

    def send(self, text: bytes) -> None:
        """Send one text message; raises Closed."""
        if self._protocol.state is not State.OPEN:
            raise self._closed()
        self._protocol.send_text(text)
        self._write()

    def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Close with code 1000; wait at most `wait_s` for the server to do the same.

        Waiting matters: to close a socket with unread bytes resets the connection, and the server
        may then never see the close frame. What still arrives is dropped.
        """
        try:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
                self._write()
            deadline_s = time.monotonic() + wait_s
            while self._protocol.state is State.CLOSING:
                self._read(deadline_s, "the server did not close")
                self._protocol.events_received()
        except TargetError:
            pass  # it is over either way
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket, without a word to the server."""
        self._socket.close()

    def _closed(self) -> Closed:
        if self._wrong is not None:
            return Closed(CloseCode.INVALID_DATA, self._wrong)
        close = self._protocol.close_rcvd or self._protocol.close_sent
        if close is None:
            return Closed(CloseCode.ABNORMAL_CLOSURE, "")
        return Closed(int(close.code), close.reason)

    def _read(self, deadline_s: float, late: str) -> bool:
        """Feed the protocol what one read brings; whether the stream goes on."""
        try:
            received = self._socket.read(deadline_s)
        except TimeoutError as error:
            raise TimedOut(late) from error
        if received:
            self._protocol.receive_data(received)
        else:
            self._protocol.receive_eof()
        self._write()
        return bool(received)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.write(data)

    def _gather(self, events: Sequence[object]) -> None:
        for frame in events:
            if not isinstance(frame, Frame) or frame.opcode not in _DATA:
                continue
            if frame.opcode is not Opcode.CONT:
                self._text = frame.opcode is Opcode.TEXT
            message: Payload = frame.data
            if self._fragments or not frame.fin:
                self._fragments.append(frame.data)
                if not frame.fin:
                    continue
                message, self._fragments = b"".join(self._fragments), []
            if self._text and (wrong := _utf_8_error(message)):
                self._wrong = wrong  # also where a close frame has come with it
                self._protocol.fail(CloseCode.INVALID_DATA, wrong)
                self._write()
                return
            self._ready.append(message)


_DATA = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))


def _utf_8_error(text: Payload) -> str | None:
    """Why a text message ends the connection (RFC 6455, 8.1), which `websockets` leaves to us."""
    try:
        utf_8_decode(text, "strict", True)
    except UnicodeDecodeError as error:
        return f"text that is not UTF-8: {error.reason}"
    return None


def _first_line(response: Response) -> str:
    if location := response.headers.get("Location"):
        return f"{response.reason_phrase}, to {without_secrets(location)}"
    body = bytes(response.body or b"").decode(errors="replace").strip()
    return body.splitlines()[0][:200] if body else response.reason_phrase
