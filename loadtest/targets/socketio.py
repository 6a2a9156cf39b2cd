"""socket.io 3 and 4 as a load-test user reads it: engine.io 4 over WebSocket only, namespace `/`.

An event `["chunk", {...}]` becomes the message `{"args": [{...}]}` with `@event` chunk. Where the
server has connection state recovery, `@id` is `PID/OFFSET`: what a client that comes back with it
sends, so that the server plays what it missed. Binary events are handed over as they are, and no
rule can read them; acknowledgements are not sent.
"""

from collections import deque
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from chunk7.loadtest.targets.errors import END_OF_STREAM, Closed, Refused, WrongAnswer
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.transport import Opening, as_bytes
from chunk7.loadtest.targets.websocket import WebSocket, connect

PATH = "/socket.io/"
_QUERY = {"EIO": "4", "transport": "websocket"}
_ENDS = (b"41", b"1")
"""The server's words for the end: of the namespace, of everything."""
_EVENT = msgspec.json.Decoder(list[msgspec.Raw])


def open_connection(opening: Opening, deadline_s: float) -> "SocketIo":
    """The `Transport` of `framing: socket.io`: joins the namespace, and sends the first events.

    A client that is recovered sends none: the server knows its rooms. `body` is the `auth`.
    """
    socket = connect(with_query(opening.url), deadline_s, opening.headers, (), opening.tls)
    try:
        target = SocketIo(socket)
        target.join(opening.body, opening.after, deadline_s)
        if not target.recovered:
            for event in opening.send:
                target.send(as_bytes(event))
    except BaseException:
        socket.drop()
        raise
    return target


def with_query(url: str) -> str:
    """The URL with the path and query that every socket.io server listens at, unless it has one."""
    parts = urlsplit(url)
    fields = [parts.query] if parts.query else []
    fields += [f"{name}={value}" for name, value in _QUERY.items() if f"{name}=" not in parts.query]
    path = PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((parts.scheme, parts.netloc, path, "&".join(fields), ""))


class SocketIo:
    """A `TargetConnection`."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.close = socket.close
        self._packets: deque[bytes] = deque()
        self._pid: str | None = None
        self.recovered = False

    def join(self, auth: Any, after: str | int | None, deadline_s: float) -> None:
        """The namespace; `after` is `PID/OFFSET` of a client that was there before."""
        first = self._next(deadline_s)
        if not first.startswith(b"0{"):
            raise WrongAnswer(f"no engine.io 4 server: it began with {_shown(first)}")
        pid, _, offset = str(after or "").partition("/")
        fields = ({"pid": pid, "offset": offset} if offset else {}) | (auth or {})
        self._socket.send(b"40" + (msgspec.json.encode(fields) if fields else b""))
        missed: list[bytes] = []  # comes first: the server lets a recovered client in only then
        while not (packet := self._next(deadline_s)).startswith(b"40"):
            if packet.startswith(b"44"):
                raise Refused(403, f"socket.io refuses the connection: {_shown(packet[2:])}")
            missed.append(packet)
        self._packets.extendleft(reversed(missed))
        self._pid = msgspec.json.decode(packet[2:] or b"{}").get("pid")
        self.recovered = bool(offset) and self._pid == pid

    def receive(self, deadline_s: float) -> list[Message]:
        """At least one event. Raises TimedOut, Closed."""
        messages: list[Message] = []
        while not messages:
            self._packets.appendleft(self._next(deadline_s))  # waits, if none is there
            while self._packets and not (messages and self._packets[0].startswith(_ENDS)):
                message = self._take(self._packets.popleft())
                if message is not None:
                    messages.append(message)
        return messages

    def send(self, text: bytes) -> None:
        """Emit an event, the JSON of `[NAME, ARGUMENT, ...]`. Raises Closed."""
        self._socket.send(b"42" + text)

    def _next(self, deadline_s: float) -> bytes:
        if not self._packets:
            self._packets.extend(map(bytes, self._socket.receive(deadline_s)))
        return self._packets.popleft()

    def _take(self, packet: bytes) -> Message | None:
        if packet.startswith(b"42"):
            return self._event(packet)
        if packet.startswith(b"2"):
            self._socket.send(b"3" + packet[1:])
        elif packet.startswith(_ENDS):
            raise Closed(END_OF_STREAM, "disconnected by the server")
        elif not packet.startswith((b"3", b"4", b"6")) or packet.startswith(b"45"):
            return Message(packet)
        return None

    def _event(self, packet: bytes) -> Message | None:
        """`42["chunk",...]`, with an acknowledgement's number before the list or without."""
        try:
            name, *arguments = _EVENT.decode(packet[2:].lstrip(b"0123456789"))
            event = msgspec.json.decode(name, type=str)
        except (msgspec.MsgspecError, ValueError):
            return Message(packet)  # e.g. of another namespace; the rules will say that it is odd
        data = b'{"args":[' + b",".join(map(bytes, arguments)) + b"]}"
        return Message(data, event, self._id(arguments))

    def _id(self, arguments: list[msgspec.Raw]) -> str | None:
        """With recovery every event's last argument is its offset: so the protocol's own client."""
        if self._pid is None or not arguments or bytes(arguments[-1])[:1] != b'"':
            return None
        return f"{self._pid}/{msgspec.json.decode(arguments[-1])}"


def _shown(packet: bytes) -> str:
    return packet[:200].decode(errors="replace")
