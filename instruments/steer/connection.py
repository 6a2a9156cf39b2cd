"""One connection through the proxy: which reply is whose, and what is a Pub/Sub message."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from chunk7.instruments.steer.gate import Way
from chunk7.instruments.steer.resp import (
    ARRAY,
    BLOB_ERROR,
    ERROR,
    PUSH,
    Frame,
    ProtocolFault,
    Scanner,
)

HEAD = 256
MAX_BLOCK = 4 * 1024 * 1024
"""Bytes of a transaction's commands that its EXEC shows; what is queued beyond is left out."""
_REPLY_PARTS = 8
_FAMILIES = {
    b"subscribe": "", b"unsubscribe": "", b"psubscribe": "P", b"punsubscribe": "P",
    b"ssubscribe": "S", b"sunsubscribe": "S",
}  # fmt: skip
"""First words of confirmations, and what stands before SUBSCRIBE in the command."""
_SUBSCRIPTIONS = frozenset(word.decode().upper() for word in _FAMILIES)
_CHANNEL_AT = {b"message": 1, b"smessage": 1, b"pmessage": 2}
_NOT_QUEUED = frozenset(("MULTI", "EXEC", "DISCARD", "WATCH", "RESET", "QUIT"))
_UNPARSED = frozenset(("MONITOR", "SYNC", "PSYNC"))
_SECRET = {"AUTH": 0, "HELLO": 1}
"""How many of a command's arguments are shown."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The store's answer. nil: a null, as of an aborted EXEC. `head`: its first string, cut."""

    kind: Literal["ok", "error", "nil"]
    head: bytes


class Passage:
    """One command on its way to the store; at EXEC, the whole transaction's. Arguments are cut."""

    __slots__ = (
        "_connection", "_free", "_replacement", "_replies", "address", "answered", "args", "block",
        "connection", "forwarded", "hold_reply", "name",
    )  # fmt: skip

    def __init__(self, connection: "ProxiedConnection", name: str, args: tuple[bytes, ...]) -> None:
        self._connection = connection
        self._replies = 1
        self._free = False
        self._replacement: bytes | None = None
        self.connection = connection.number
        self.address = connection.address
        self.name = name
        self.args = args
        self.block: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
        self.forwarded: asyncio.Future[None] = connection.loop.create_future()
        self.answered: asyncio.Future[Reply] = connection.loop.create_future()
        """When the proxy has it whole, or so much that it is too long to be kept. Both futures are
        cancelled if the connection ends first."""
        self.hold_reply = False
        """Set before the reply comes: it waits at the proxy, and all that is behind it. Of a
        SUBSCRIBE to several channels the last confirmation waits."""

    def forward(self) -> None:
        """Let the command go."""
        self._free = True
        self._connection.to_store.release(self)

    def pass_reply(self) -> None:
        """Let a withheld reply go."""
        self.hold_reply = False
        self._connection.to_app.release(self)

    def replace_reply(self, data: bytes) -> None:
        """The application gets these bytes instead of the reply; to be set before it comes, or
        while it is withheld."""
        self._replacement = data

    def cut(self) -> None:
        """End the connection on both sides, at once."""
        self._connection.cut()

    def sent(self, way: Way) -> bytes | None:
        """The gate has let it go: the command, or its reply."""
        if way is self._connection.to_app:
            return self._replacement
        self.went()
        return None

    def went(self) -> None:
        """It is on its way to the store."""
        if not self.forwarded.done():
            self.forwarded.set_result(None)

    @property
    def free(self) -> bool:
        """Whether somebody has let it go before it was held."""
        return self._free

    @property
    def steered(self) -> bool:
        """Whether its reply does not just pass."""
        return self.hold_reply or self._replacement is not None

    def expect(self, replies: int) -> None:
        """So many frames answer it; 0: that will be known when the first of them comes."""
        self._replies = replies

    @property
    def expects(self) -> int:
        """How many frames still answer it; 0 before that is known."""
        return self._replies

    def confirm(self, reply: Reply) -> bool:
        """One of its frames has come; whether it was the last. An error is the only one."""
        self._replies -= 1
        if self._replies > 0 and reply.kind == "ok":
            return False
        self._replies = 0
        if not self.answered.done():
            self.answered.set_result(reply)
        return True

    def lost(self) -> None:
        """No answer will be seen."""
        self.answered.cancel()


class Push:
    """A Pub/Sub message on its way to the application."""

    __slots__ = ("_connection", "_free", "channel", "connection", "data")

    def __init__(self, connection: "ProxiedConnection", channel: bytes, data: bytes) -> None:
        self._connection = connection
        self._free = False
        self.connection = connection.number
        self.channel = channel
        self.data = data

    def deliver(self) -> None:
        """Let a held message go."""
        self._free = True
        self._connection.to_app.release(self)

    @property
    def free(self) -> bool:
        """Whether somebody has let it go before it was held."""
        return self._free

    def sent(self, way: Way) -> None:
        """The gate has let it go, as it is."""


class Interceptor(Protocol):
    """Sees everything in the order in which it comes. Its methods must not block."""

    def command(self, passage: Passage) -> bool:
        """True: hold it, and all behind it on its connection."""

    def push(self, push: Push) -> bool:
        """True: hold this message, and all behind it."""

    def closed(self, connection: int) -> None:
        """The connection has ended."""


class ProxiedConnection:
    """An application's connection and ours to the store."""

    def __init__(
        self,
        number: int,
        interceptor: Interceptor | None,
        on_end: Callable[["ProxiedConnection"], None],
    ) -> None:
        self.number = number
        self.loop = asyncio.get_running_loop()
        self.address = ""
        """Of the socket to the store, as CLIENT LIST has it."""
        self.unseen: str | None = None
        """Why nothing is known of this connection from some command on."""
        self.ended = False
        self._interceptor = interceptor
        self._on_end = on_end
        self._asked = _Asked()
        self._answers = _Answers(self, self._asked)
        self._held: Passage | None = None
        self.to_store = Way(Scanner(inline=True), self._command, lambda _: None, self._no_resp)
        self.to_app = Way(
            Scanner(most_parts=_REPLY_PARTS),
            self._answers.decide,
            self._answers.ended,
            self._no_resp,
        )
        if interceptor is None:
            self.to_store.raw = self.to_app.raw = True

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
        if self._held is not None:
            self._held.forwarded.cancel()
        self._answers.none_come()
        if self._interceptor is not None:
            self._interceptor.closed(self.number)
        self._on_end(self)

    def message(self, channel: bytes, data: bytes) -> Push | None:
        """A Pub/Sub message has come; who holds it."""
        assert self._interceptor is not None, "without one nothing is parsed"
        if self.ended:
            return None
        push = Push(self, channel, data)
        return push if self._interceptor.push(push) and not push.free else None

    def _command(self, frame: Frame) -> Passage | None:
        if self.ended or not frame.parts:
            return None
        name = frame.parts[0].decode("latin-1").upper()
        args = tuple(frame.parts[1:])
        if name in _UNPARSED or (name == "CLIENT" and _silences(args)):
            self.unseen = " ".join((name, *(word.decode("latin-1") for word in args[:2])))
            self.to_store.give_up()
            self._answers.stop_when_answered()
            return None
        if name in _SECRET:
            args = args[: _SECRET[name]]
        passage = Passage(self, name, args)
        queued = self._asked.queues(passage)
        if name in _SUBSCRIPTIONS and not queued:
            passage.expect(frame.count - 1)
        self._answers.await_one(passage)
        assert self._interceptor is not None, "without one nothing is parsed"
        if not queued and self._interceptor.command(passage) and not passage.free:
            self._held = passage
            return passage
        passage.went()
        return None

    def _no_resp(self, fault: ProtocolFault) -> None:
        self.unseen = str(fault)
        self.to_store.give_up()
        self.to_app.give_up()
        self._answers.none_come()


class _Asked:
    """The state of a connection's transaction, from its commands."""

    def __init__(self) -> None:
        self._block: list[tuple[str, tuple[bytes, ...]]] | None = None
        self._begun_by: Passage | None = None
        self._room = 0

    def refused(self, multi: Passage) -> None:
        """This one has begun nothing. What came behind it, before its reply, was not shown."""
        if multi is self._begun_by:  # and not one within a transaction, which goes on
            self._block = None

    def queues(self, passage: Passage) -> bool:
        """Whether the store will only queue it. An EXEC is given what was queued."""
        name = passage.name
        if self._block is not None and name not in _NOT_QUEUED:
            size = sum(map(len, passage.args))
            if size <= self._room:
                self._room -= size + len(name)
                self._block.append((name, passage.args))
            return True
        if name == "MULTI" and self._block is None:
            self._block, self._begun_by, self._room = [], passage, MAX_BLOCK
        elif name in ("EXEC", "DISCARD", "RESET"):
            if name == "EXEC":
                passage.block = tuple(self._block or ())
            self._block = None
        return False


class _Answers:
    """Whose reply it is, by counting: the store answers a connection's commands in their order."""

    def __init__(self, connection: ProxiedConnection, asked: _Asked) -> None:
        self._connection = connection
        self._asked = asked
        self._waiting: deque[Passage] = deque()
        self._channels: dict[str, set[bytes]] = {"": set(), "P": set(), "S": set()}
        self._resp3 = False
        self._stopping = False
        self._early: Passage | None = None
        """Whose reply is too long to be kept, and is under way."""

    def await_one(self, passage: Passage) -> None:
        """A command that will be answered after all before it."""
        if passage.name == "EXEC":
            # In a transaction, too, each channel is confirmed for itself, but counted once.
            passage.expect(1 + sum(max(0, len(args) - 1) for _, args in _subscribing(passage)))
        self._waiting.append(passage)

    def stop_when_answered(self) -> None:
        """What comes after the replies still due is not looked at."""
        self._stopping = True
        self._stop_if_answered()

    def none_come(self) -> None:
        """No answer will be seen."""
        for passage in (*self._waiting, *([self._early] if self._early else ())):
            passage.lost()
        self._waiting.clear()

    def decide(self, frame: Frame) -> Passage | Push | None:
        """Who holds this reply, or message."""
        first = frame.parts[0] if frame.parts else b""
        if frame.kind == PUSH or (frame.kind == ARRAY and not self._resp3):
            if first in _FAMILIES and (frame.kind == PUSH or self._is_confirmation(first)):
                return self._confirmation(first, frame)
            if first in _CHANNEL_AT and (frame.kind == PUSH or any(self._channels.values())):
                at = _CHANNEL_AT[first]
                return self._connection.message(*(*frame.parts[at : at + 2], b"", b"")[:2])
        if frame.kind == PUSH or not self._waiting:
            return None
        return self._reply(self._waiting[0], _reply_of(frame))

    def ended(self, frame: Frame) -> None:
        """A reply that was decided before its end has come to it."""
        early, self._early = self._early, None
        if early is not None:
            early.confirm(_reply_of(frame))
        self._stop_if_answered()

    def _reply(self, passage: Passage, reply: Reply) -> Passage | None:
        if not self._connection.to_app.between and not passage.steered:
            self._waiting.popleft()
            self._early = passage
        elif passage.confirm(reply):
            self._waiting.popleft()
            self._learn(passage, reply)
        else:
            return None
        self._stop_if_answered()
        if not passage.steered:
            return None
        if not passage.hold_reply:  # only replaced: held, and let go in this turn
            self._connection.loop.call_soon(passage.pass_reply)
        return passage

    def _learn(self, passage: Passage, reply: Reply) -> None:
        """What a command that was executed has made of the connection."""
        if passage.name == "RESET":
            self._resp3 = False
            for channels in self._channels.values():
                channels.clear()
        elif passage.name == "HELLO" and passage.args and reply.kind == "ok":
            self._resp3 = passage.args[0] == b"3"
        elif passage.name == "MULTI" and reply.kind == "error":
            self._asked.refused(passage)
        elif passage.name == "EXEC" and reply.kind == "ok":
            for name, args in _subscribing(passage):
                channels = self._channels[_FAMILIES[name.lower().encode()]]
                (channels.difference_update if "UNSUB" in name else channels.update)(args)

    def _is_confirmation(self, first: bytes) -> bool:
        """In RESP 2, whether an array that begins so answers what was asked."""
        return bool(self._waiting) and self._waiting[0].name == first.decode().upper()

    def _confirmation(self, first: bytes, frame: Frame) -> Passage | None:
        channels = self._channels[_FAMILIES[first]]
        passage = self._waiting[0] if self._waiting else None
        if passage is not None and passage.name == "EXEC":
            return self._reply(passage, Reply("ok", first))
        if passage is not None and passage.name != first.decode().upper():
            passage = None  # the store has ended a subscription of its own accord
        leaves = b"unsubscribe" in first
        if passage is not None and not passage.expects:  # it leaves all channels there are
            passage.expect(max(1, len(channels)))
        for channel in frame.parts[1:2]:
            (channels.discard if leaves else channels.add)(channel)
        return None if passage is None else self._reply(passage, Reply("ok", first))

    def _stop_if_answered(self) -> None:
        if self._stopping and not self._waiting and self._early is None:
            self._connection.to_app.give_up()


def _silences(args: tuple[bytes, ...]) -> bool:
    return len(args) > 1 and args[0].upper() == b"REPLY" and args[1].upper() != b"ON"


def _subscribing(passage: Passage) -> list[tuple[str, tuple[bytes, ...]]]:
    return [(name, args) for name, args in passage.block if name in _SUBSCRIPTIONS]


def _reply_of(frame: Frame) -> Reply:
    head = frame.parts[0][:HEAD] if frame.parts else b""
    if frame.kind in (ERROR, BLOB_ERROR):
        return Reply("error", head)
    return Reply("nil" if frame.nil else "ok", head)
