"""One WebSocket connection of a load-test user: RFC 6455 by `websockets`, I/O by gevent.

`websockets.client.ClientProtocol` does the protocol without I/O; a cooperative socket moves the
bytes. One read may bring many frames, and they are handed over together, with one wake-up of the
greenlet. Nothing waits without a deadline.

This is the load generator's hot path. A read waits first and receives then, because a user is
nearly always ahead of its node; and a connection keeps one timer for as long as the deadline stays
the same, rather than one a read. Both were measured (benchmarks/websocket_user.md).

WebSocketError      anything below
+-- ConnectFailed   nobody answered at the address, or not as a WebSocket server does
|   +-- Refused     an HTTP answer other than 101; `status` and its one line of explanation
+-- TimedOut        the deadline passed first
+-- Closed          the connection is over; `code` and `reason` as received, 1006 without a close
"""

import time
from collections.abc import Sequence

import gevent
from gevent import Timeout, socket
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

RECEIVE_BYTES = 65_536
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""A session's whole history comes as one message."""
CLOSE_WAIT_S = 0.5
"""How long the closing handshake may take before the socket is closed without it."""

SEND_WAIT_S = 1.0
"""How long a server may leave our frames, a few bytes each, unread."""
_READ = 1
"""libev's EV_READ."""

Payload = bytes | bytearray | memoryview


class WebSocketError(Exception):
    """Root of this module's errors."""


class ConnectFailed(WebSocketError):
    """No WebSocket connection came about."""


class Refused(ConnectFailed):
    """The server answered the handshake with an HTTP error."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(f"HTTP {status}: {line}")
        self.status = status


class TimedOut(WebSocketError):
    """The deadline passed before the server did its part."""


class Closed(WebSocketError):
    """The server closed the connection, or it broke (code 1006)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def connect(url: str, deadline_s: float) -> "WebSocket":
    """Open a connection to a `ws://` URL until `deadline_s`, an instant of `time.monotonic()`.

    Raises ConnectFailed, Refused, TimedOut.
    """
    try:
        uri = parse_uri(url)
    except InvalidURI as error:
        raise ConnectFailed(f"{url} is no WebSocket URL") from error
    if uri.secure:
        raise ConnectFailed(f"{url}: only ws:// is supported")
    try:
        # gevent's time-out, unlike the socket's, also bounds the look-up of the name.
        with Timeout(_remaining_s(deadline_s), TimeoutError):
            raw = socket.create_connection((uri.host, uri.port))
    except TimeoutError as error:
        raise TimedOut(f"no connection to {uri.host}:{uri.port} in time") from error
    except OSError as error:
        raise ConnectFailed(f"{uri.host}:{uri.port}: {error.strerror or error}") from error
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = WebSocket(raw, ClientProtocol(uri, max_size=MESSAGE_LIMIT_BYTES))
    try:
        connection.shake_hands(deadline_s)
    except BaseException:
        connection.drop()
        raise
    return connection


class WebSocket:
    """An open connection, as `connect` makes it. One greenlet at a time may use it."""

    __slots__ = (
        "_deadline_s",
        "_fragments",
        "_hub",
        "_late",
        "_protocol",
        "_readable",
        "_ready",
        "_socket",
        "_timer",
    )

    def __init__(self, raw: socket.socket, protocol: ClientProtocol) -> None:
        raw.settimeout(0)
        self._socket = raw
        self._protocol = protocol
        self._fragments: list[Payload] = []
        self._ready: list[Payload] = []
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(raw.fileno(), _READ)
        self._timer = self._hub.loop.timer(0)
        self._deadline_s = 0.0
        self._late = True

    def shake_hands(self, deadline_s: float) -> None:
        """The opening handshake; raises as `connect`."""
        self._protocol.send_request(self._protocol.connect())
        self._write()
        while self._protocol.state is State.CONNECTING:
            if not self._read(deadline_s, "no answer to the handshake in time"):
                break
            events = self._protocol.events_received()
            if events and isinstance(events[0], Response) and events[0].status_code != 101:
                raise Refused(events[0].status_code, _first_line(events[0]))
            self._gather(events)
        if self._protocol.handshake_exc is not None:
            raise ConnectFailed(str(self._protocol.handshake_exc))

    def receive(self, deadline_s: float) -> list[Payload]:
        """The messages that have come, at least one, until `deadline_s`.

        Pings are answered, fragments put together. Raises TimedOut, Closed; messages that came
        before the close are returned first.
        """
        while not self._ready:
            if self._protocol.close_rcvd is not None or self._protocol.state is State.CLOSED:
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
        except WebSocketError:
            pass  # it is over either way
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket, without a word to the server."""
        for watcher in (self._timer, self._readable):
            watcher.stop()
            watcher.close()
        self._socket.close()

    def _closed(self) -> Closed:
        close = self._protocol.close_rcvd
        if close is None:
            return Closed(CloseCode.ABNORMAL_CLOSURE, "")
        return Closed(int(close.code), close.reason)

    def _read(self, deadline_s: float, late: str) -> bool:
        """Feed the protocol what one read brings; whether the stream goes on."""
        try:
            self._wait_until_readable(deadline_s)
            received = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True  # readable, it was said, and was not
        except TimeoutError as error:
            raise TimedOut(late) from error
        except OSError:
            received = b""  # reset: the same end as an orderly one, but for the missing close
        if received:
            self._protocol.receive_data(received)
        else:
            self._protocol.receive_eof()
        self._write()
        return bool(received)

    def _wait_until_readable(self, deadline_s: float) -> None:
        """Raises TimeoutError at the deadline."""
        if deadline_s != self._deadline_s:
            self._timer.stop()
            self._timer.close()
            self._deadline_s = deadline_s
            self._late = False
            self._timer = self._hub.loop.timer(_remaining_s(deadline_s))
            self._timer.start(self._expire)
        if self._late:
            raise TimeoutError
        self._hub.wait(self._readable)

    def _expire(self) -> None:
        self._late = True
        self._hub.cancel_wait(self._readable, TimeoutError())

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            try:
                if data:
                    self._socket.settimeout(SEND_WAIT_S)
                    self._socket.sendall(data)
            except OSError:
                return  # the next read tells how the connection ended
            finally:
                self._socket.settimeout(0)

    def _gather(self, events: Sequence[object]) -> None:
        for frame in events:
            if not isinstance(frame, Frame) or frame.opcode not in _DATA:
                continue
            if frame.fin and not self._fragments:
                self._ready.append(frame.data)
                continue
            self._fragments.append(frame.data)
            if frame.fin:
                self._ready.append(b"".join(self._fragments))
                self._fragments = []


_DATA = frozenset((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))


def _remaining_s(deadline_s: float) -> float:
    """Time left; never 0, which would mean a non-blocking socket."""
    return max(deadline_s - time.monotonic(), 1e-6)


def _first_line(response: Response) -> str:
    body = bytes(response.body or b"").decode(errors="replace").strip()
    return body.splitlines()[0][:200] if body else response.reason_phrase
