"""Somebody else's WebSocket as a load-test user reads it: every message is a frame."""

from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.transport import Opening, as_bytes
from chunk7.loadtest.targets.websocket import WebSocket, connect


def open_connection(opening: Opening, deadline_s: float) -> "WebSocketTarget":
    """The `Transport` of ws:// and wss:// URLs: opens, and sends the first messages."""
    socket = connect(opening.url, deadline_s, opening.headers, opening.subprotocols, opening.tls)
    try:
        for message in opening.send:
            socket.send(as_bytes(message))
    except BaseException:
        socket.drop()
        raise
    return WebSocketTarget(socket)


class WebSocketTarget:
    """A `TargetConnection`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.send = socket.send
        self.close = socket.close

    def receive(self, deadline_s: float) -> list[Message]:
        """At least one message. Raises TimedOut, Closed."""
        return [Message(bytes(payload)) for payload in self._socket.receive(deadline_s)]
