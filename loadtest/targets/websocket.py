"""One WebSocket connection of a load-test user: RFC 6455 by `websockets`, I/O by gevent.

`websockets.client.ClientProtocol` does the protocol without I/O; a cooperative socket moves the
bytes. One read may bring many frames, and they are handed over together. Nothing waits without a
deadline.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chunk7.loadtest.targets.adapter import Tls
from chunk7.loadtest.targets.deadline_socket import DeadlineSocket, open_socket
from chunk7.loadtest.targets.errors import (
    Closed,
    ConnectFailed,
    TargetError,
    TimedOut,
    WrongAnswer,
)
from chunk7.loadtest.targets.incoming import MESSAGE_LIMIT_BYTES, Incoming, Payload
from chunk7.wire.clock import now_ns
from chunk7.wire.templates import without_secrets

CLOSE_WAIT_S = 0.5
"""How long the closing handshake may take before the socket is closed without it."""

Take = Callable[[Sequence[Payload], int], bool]
"""What is done with the messages of one read, which came at that `now_ns`."""


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
        connection.shake_hands(protocol, deadline_s, headers or {})
    except BaseException:
        connection.drop()
        raise
    return connection


class WebSocket:
    """An open connection, as `connect` makes it. One greenlet at a time may use it."""

    __slots__ = ("_incoming", "_socket")

    def __init__(self, raw: DeadlineSocket, protocol: ClientProtocol) -> None:
        self._socket = raw
        self._incoming = Incoming(protocol)

    def shake_hands(
        self, protocol: ClientProtocol, deadline_s: float, headers: Mapping[str, str]
    ) -> None:
        """The opening handshake of the protocol; raises as `connect`."""
        request = protocol.connect()
        for name, value in headers.items():
            if name in request.headers:  # e.g. Host: a second one would be refused
                del request.headers[name]
            request.headers[name] = value
        protocol.send_request(request)
        self._write()
        while protocol.state is State.CONNECTING:
            received = self._read(deadline_s, "no answer to the handshake in time")
            if not received:
                protocol.receive_eof()
                break
            self._incoming.feed_head(received)
        self._write()
        if (error := protocol.handshake_exc) is not None:
            hung_up = isinstance(error.__cause__, EOFError)
            raise (ConnectFailed if hung_up else WrongAnswer)(str(error))

    def receive(self, deadline_s: float) -> list[Payload]:
        """The messages that have come, at least one, until `deadline_s`.

        Pings are answered, fragments put together. Raises TimedOut, Closed (with the code that we
        sent where the server broke the protocol); messages that came before are returned first.
        """
        while not self._incoming.ready:
            if not self._incoming.is_open:
                raise self._closed()
            self._incoming.feed(self._read(deadline_s, "nothing received in time"))
            self._write()
        return self._incoming.take_ready()

    def follow(self, deadline_s: float, take: Take) -> None:
        """Hand over messages as they come, until `take` returns true or nothing more can come.

        It is called in the hub, so that there is no switch to the greenlet for each read: nothing
        in it may wait. Raises TimedOut and Closed as `receive`, and what `take` raises.
        """
        over, incoming = False, self._incoming

        def arrive(received: bytes) -> bool:
            nonlocal over
            incoming.feed(received)
            if incoming.ready:
                over = take(incoming.take_ready(), now_ns())
            return over or bool(incoming.to_send) or not incoming.is_open

        if incoming.ready or not incoming.is_open:
            take(self.receive(deadline_s), now_ns())
            return
        try:
            while not over and incoming.is_open:
                self._socket.follow(deadline_s, arrive)
                self._write()
        except TimeoutError as error:
            raise TimedOut("nothing received in time") from error

    def send(self, text: bytes) -> None:
        """Send one text message; raises Closed."""
        if not self._incoming.is_open:
            raise self._closed()
        self._incoming.protocol.send_text(text)
        self._write()

    def close(self, wait_s: float = CLOSE_WAIT_S) -> None:
        """Close with code 1000; wait at most `wait_s` for the server to do the same.

        Waiting matters: to close a socket with unread bytes resets the connection, and the server
        may then never see the close frame. What still arrives is dropped.
        """
        try:
            if self._incoming.is_open:
                self._incoming.protocol.send_close(CloseCode.NORMAL_CLOSURE)
                self._write()
            deadline_s = time.monotonic() + wait_s
            while self._incoming.protocol.state is State.CLOSING:
                self._incoming.feed(self._read(deadline_s, "the server did not close"))
                self._write()
        except TargetError:
            pass  # it is over either way
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket, without a word to the server."""
        self._socket.close()

    def _closed(self) -> Closed:
        if self._incoming.wrong is not None:
            return Closed(CloseCode.INVALID_DATA, self._incoming.wrong)
        protocol = self._incoming.protocol
        close = protocol.close_rcvd or protocol.close_sent
        if close is None:
            return Closed(CloseCode.ABNORMAL_CLOSURE, "")
        return Closed(int(close.code), close.reason)

    def _read(self, deadline_s: float, late: str) -> bytes:
        try:
            return self._socket.read(deadline_s)
        except TimeoutError as error:
            raise TimedOut(late) from error

    def _write(self) -> None:
        self._incoming.put_away()
        sending, self._incoming.to_send = self._incoming.to_send, []
        for data in filter(None, sending):
            self._socket.write(data)
