"""One connection through the proxy: both ways, what waits, and which reply is whose.

A way passes whole frames, and those parts of a frame that is longer than MAX_KEPT. When a frame is
held, nothing behind it is read until it is let go; the sockets' own flow control holds up whoever
writes.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chunk7.instruments.steer.resp import Frame, ProtocolFault, Scanner

if TYPE_CHECKING:
    from chunk7.instruments.steer.proxy import Interceptor

MAX_KEPT = 1024 * 1024
"""Of a frame, before it is decided whether it waits: a longer one passes as it comes."""
HEAD = 256
_CONFIRMED = {
    name.lower(): name
    for name in (
        b"SUBSCRIBE", b"UNSUBSCRIBE", b"PSUBSCRIBE", b"PUNSUBSCRIBE",
        b"SSUBSCRIBE", b"SUNSUBSCRIBE",
    )
}  # fmt: skip
_MESSAGES = (b"message", b"pmessage", b"smessage")
_QUEUED = frozenset(("MULTI", "EXEC", "DISCARD", "WATCH", "RESET", "QUIT"))
_UNPARSED = frozenset(("MONITOR", "SYNC", "PSYNC"))


@dataclass(frozen=True, slots=True)
class Reply:
    """The store's answer. nil: a null, as of an aborted EXEC. `head`: its first string, cut."""

    kind: Literal["ok", "error", "nil"]
    head: bytes


class Passage:
    """One command on its way to the store; at EXEC, the whole transaction's."""

    __slots__ = (
        "_connection", "_replies", "address", "answered", "args", "block", "connection",
        "forwarded", "hold_reply", "name", "replacement",
    )  # fmt: skip

    def __init__(
        self, connection: "ProxiedConnection", name: str, args: tuple[bytes, ...], replies: int
    ) -> None:
        loop = connection.loop
        self._connection = connection
        self._replies = replies
        self.connection = connection.number
        self.address = connection.address
        self.name = name
        self.args = args
        self.block: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
        self.forwarded: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[Reply] = loop.create_future()
        """Cancelled if the connection ends first."""
        self.hold_reply = False
        """Set before the reply comes: it waits at the proxy, and all that is behind it."""
        self.replacement: bytes | None = None

    def forward(self) -> None:
        """Let the command go."""
        if not self.forwarded.done():
            self._connection.to_store.release(self)

    def pass_reply(self) -> None:
        """Let a withheld reply go."""
        self.hold_reply = False
        self._connection.to_app.release(self)

    def replace_reply(self, data: bytes) -> None:
        """The application gets these bytes instead of the reply; to be set before it comes."""
        self.replacement = data

    def cut(self) -> None:
        """End the connection on both sides."""
        self._connection.cut()

    def confirm(self, reply: Reply) -> bool:
        """One of its replies has come; whether it was the last."""
        self._replies -= 1
        if self._replies > 0:
            return False
        if not self.answered.done():
            self.answered.set_result(reply)
        return True


class Push:
    """A Pub/Sub message on its way to the application."""

    __slots__ = ("_connection", "channel", "connection", "data")

    def __init__(self, connection: "ProxiedConnection", channel: bytes, data: bytes) -> None:
        self._connection = connection
        self.connection = connection.number
        self.channel = channel
        self.data = data

    def deliver(self) -> None:
        """Let a held message go."""
        self._connection.to_app.release(self)


class _Way:
    """One direction. `decide` says of a frame who is holding it, None for nobody. One that was too
    long to be kept is decided before it has ended, and shown once more, with True, when it has."""

    def __init__(
        self, scanner: Scanner, decide: "Callable[[Frame, bool], Passage | Push | None]"
    ) -> None:
        self._scanner = scanner
        self._decide = decide
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._streaming = False
        self._held: Passage | Push | None = None
        self._held_bytes = b""
        self._behind: list[bytes] = []
        self.source: asyncio.ReadTransport | None = None
        self.sink: asyncio.WriteTransport | None = None
        self.on_sent: Callable[[Passage | Push], bytes | None] = lambda _: None
        self.raw = False

    @property
    def idle(self) -> bool:
        """Nothing is held here."""
        return self._held is None

    def feed(self, data: bytes) -> None:
        """Pass, or keep, what has come. Raises ProtocolFault, with nothing of `data` passed."""
        if self._held is not None:
            self._behind.append(data)
            self._pause()
        elif self.raw:
            self._write(data)
        else:
            self._scan(data)

    def give_up(self) -> None:
        """From now on everything passes unparsed."""
        self.raw = True
        self._flush()

    def _scan(self, data: bytes) -> None:
        at, length = 0, len(data)
        while at < length and not self.raw:
            end = self._scanner.scan(data, at)
            if end < 0:
                break
            if self._streaming:
                self._streaming = False
                self._decide(self._scanner.frame, True)
            elif (holder := self._decide(self._scanner.frame, False)) is not None:
                self._hold(holder, data, at, end)
                return
            if self._kept:
                self._flush()
            at = end
        if at == length or self._streaming or self.raw:
            self._write(data)
        else:
            self._write(data[:at])
            self._keep(data[at:])

    def _hold(self, holder: "Passage | Push", data: bytes, at: int, end: int) -> None:
        """What was kept is the beginning of this frame, or nothing."""
        self._write(data[:at])
        self._held = holder
        self._held_bytes = b"".join((*self._kept, data[at:end]))
        self._kept, self._kept_size = [], 0
        if end < len(data):
            self._behind.append(data[end:])

    def _keep(self, data: bytes) -> None:
        """The beginning of a frame, until it can be decided."""
        self._kept.append(data)
        self._kept_size += len(data)
        if self._kept_size <= MAX_KEPT:
            return
        holder = self._decide(self._scanner.frame, False)
        self._streaming = True
        if holder is None:
            self._flush()
        else:
            self._hold(holder, b"", 0, 0)
            self._pause()

    def _flush(self) -> None:
        kept, self._kept, self._kept_size = self._kept, [], 0
        self._write(b"".join(kept))

    def release(self, holder: "Passage | Push") -> None:
        """Let go what this one holds, and go on with what came behind it."""
        if self._held is not holder:
            return
        data, self._held_bytes, self._held = self._held_bytes, b"", None
        instead = self.on_sent(holder)
        self._write(data if instead is None else instead)
        behind, self._behind = self._behind, []
        for more in behind:
            self.feed(more)
        if self._held is None and self.source is not None and not self.source.is_closing():
            self.source.resume_reading()

    def _write(self, data: bytes) -> None:
        if data and self.sink is not None and not self.sink.is_closing():
            self.sink.write(data)

    def _pause(self) -> None:
        if self.source is not None and not self.source.is_closing():
            self.source.pause_reading()


class ProxiedConnection:
    """An application's connection and ours to the store."""

    def __init__(
        self,
        number: int,
        interceptor: "Interceptor | None",
        on_end: Callable[["ProxiedConnection"], None],
    ) -> None:
        self.number = number
        self.loop = asyncio.get_running_loop()
        self.address = ""
        """Of the socket to the store, as CLIENT LIST has it."""
        self.unseen: str | None = None
        """Why nothing is known of this connection from some command on."""
        self._interceptor = interceptor
        self._on_end = on_end
        self._waiting: deque[Passage] = deque()
        self._channels: dict[bytes, set[bytes]] = {}
        self._queued: list[tuple[str, tuple[bytes, ...]]] | None = None
        self._early: Passage | None = None
        self.to_store = _Way(Scanner(inline=True), self._command)
        self.to_app = _Way(Scanner(), self._reply)
        self.to_store.on_sent = self._forwarded
        self.to_app.on_sent = lambda one: getattr(one, "replacement", None)
        self.ended = False
        if interceptor is None:
            self.to_store.raw = self.to_app.raw = True

    def feed(self, way: _Way, data: bytes) -> None:
        """Pass data on. Bytes that are no RESP pass as they are, from then on unparsed."""
        try:
            way.feed(data)
        except ProtocolFault as fault:
            self._stop_parsing(str(fault))
            way.feed(data)

    def cut(self) -> None:
        """Both sockets closed at once; who waits for an answer is told that none comes."""
        for way in (self.to_store, self.to_app):
            if way.sink is not None:
                way.sink.abort()
        self.end()

    def end(self) -> None:
        """The connection is over."""
        if self.ended:
            return
        self.ended = True
        for passage in self._waiting:
            passage.answered.cancel()
        self._waiting.clear()
        if self._interceptor is not None:
            self._interceptor.closed(self.number)
        self._on_end(self)

    # --- to the store ---

    def _command(self, frame: Frame, ended: bool) -> Passage | None:
        if ended or not frame.parts:
            return None
        name = frame.parts[0].decode("latin-1").upper()
        args = tuple(frame.parts[1:])
        if name in _UNPARSED or (name == "CLIENT" and args[:1] and args[0].upper() == b"REPLY"):
            self._stop_parsing(f"{name} {b' '.join(args[:2]).decode('latin-1')}".rstrip())
            return None
        passage = Passage(self, name, args, self._replies(name, args))
        self._waiting.append(passage)
        if self._queued is not None and name not in _QUEUED:
            self._queued.append((name, args))
            self._go(passage)
            return None
        self._bracket(passage)
        assert self._interceptor is not None, "without one nothing is parsed"
        if self._interceptor.command(passage):
            return passage
        self._go(passage)
        return None

    def _bracket(self, passage: Passage) -> None:
        """The state of a transaction, and of a connection that begins anew."""
        if passage.name == "MULTI":
            self._queued = []
        elif passage.name in ("EXEC", "DISCARD", "RESET"):
            if passage.name == "EXEC":
                passage.block = tuple(self._queued or ())
            self._queued = None
        if passage.name == "RESET":
            self._channels.clear()

    def _replies(self, name: str, args: tuple[bytes, ...]) -> int:
        key = name.encode("latin-1", "replace")
        if key not in _CONFIRMED.values():
            return 1
        family = key.replace(b"UNSUBSCRIBE", b"SUBSCRIBE")
        had = self._channels.setdefault(family, set())
        if key == family:
            had.update(args)
            return max(1, len(args))
        count = len(args) or max(1, len(had))
        had.difference_update(args or set(had))
        return count

    def _forwarded(self, holder: "Passage | Push") -> None:
        if isinstance(holder, Passage):
            self._go(holder)

    def _go(self, passage: Passage) -> None:
        if not passage.forwarded.done():
            passage.forwarded.set_result(None)

    # --- to the application ---

    def _reply(self, frame: Frame, ended: bool) -> "Passage | Push | None":
        """A frame that was decided early is answered when it has ended."""
        if ended:
            early, self._early = self._early, None
            if early is not None:
                early.confirm(_reply_of(frame))
            return None
        first = frame.parts[0] if frame.parts else b""
        if (
            frame.kind in (b">", b"*")
            and first in _MESSAGES
            and (frame.kind == b">" or any(self._channels.values()))
        ):
            return self._message(frame.parts)
        if frame.kind in (b">", b"*") and first in _CONFIRMED:
            return self._confirmation(_CONFIRMED[first].decode())
        if frame.kind == b">" or not self._waiting:
            return None
        passage = self._waiting.popleft()
        if not self.to_app._scanner.between:
            self._early = passage
            return None
        passage.confirm(_reply_of(frame))
        return self._withheld(passage)

    def _withheld(self, passage: Passage) -> Passage | None:
        if passage.replacement is not None and not passage.hold_reply:
            # Held and let go in this turn: what is sent is chosen where it is let go.
            self.loop.call_soon(self.to_app.release, passage)
            return passage
        return passage if passage.hold_reply else None

    def _confirmation(self, name: str) -> Passage | None:
        for passage in self._waiting:
            if passage.name == name:
                if passage.confirm(Reply("ok", b"")):
                    self._waiting.remove(passage)
                    return self._withheld(passage)
                return None
        return None

    def _message(self, parts: list[bytes]) -> Push | None:
        assert self._interceptor is not None, "without one nothing is parsed"
        channel, data = parts[-2:] if len(parts) > 2 else (b"", b"")
        push = Push(self, channel, data)
        return push if self._interceptor.push(push) else None

    def _stop_parsing(self, why: str) -> None:
        self.unseen = why
        self.to_store.give_up()
        self.to_app.give_up()
        for passage in self._waiting:
            passage.answered.cancel()
        self._waiting.clear()


def _reply_of(frame: Frame) -> Reply:
    head = frame.parts[0][:HEAD] if frame.parts else b""
    if frame.kind in (b"-", b"!"):
        return Reply("error", head)
    return Reply("nil" if frame.nil else "ok", head)
