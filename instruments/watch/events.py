"""Commands -> what they mean for the handover, one session each, in the store's order.

Only commands that touch a key or channel of the patterns give events. What a script or a
transaction executes counts like any command, but all its events have one `block`: nobody else's
command can have come between them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from chunk7.instruments.watch.monitor_line import LUA, Command
from chunk7.instruments.watch.patterns import Patterns, glob, session_of
from chunk7.instruments.watch.payload import Payload, payload_of

NEWEST = "$"
UNKNOWN = "?"
"""The cursor of a consumer group whose creation nobody saw."""


class Kind(Enum):
    """What happened."""

    READ = "read"
    SUBSCRIBE = "subscribe"
    FOLLOW = "follow"
    PUBLISH = "publish"
    SAVE = "save"
    APPEND = "append"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `line` counts commands from 1 and is the store's order; `at_us` its clock.

    `client` is None where the line does not tell connections apart. `payload`: of writes.
    `cursor`: of FOLLOW and of an APPEND with an id of its own. `block_ms`: of a FOLLOW that waits.
    `again`: this connection had the channel, or followed from NEWEST, before. `wide`: a pattern
    with wildcards, which may cover sessions that nobody on the connection asked for.
    """

    kind: Kind
    line: int
    at_us: int
    db: int
    client: str | None
    session: str
    block: int | None = None
    payload: Payload | None = None
    cursor: str | None = None
    block_ms: int = 0
    again: bool = False
    wide: "re.Pattern[bytes] | None" = None


READS = frozenset(
    (
        *("GET", "GETRANGE", "HGETALL", "HVALS", "JSON.GET", "LINDEX", "LRANGE", "SMEMBERS"),
        *("XRANGE", "XREVRANGE", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE"),
        *("ZREVRANGE", "ZREVRANGEBYLEX", "ZREVRANGEBYSCORE"),
    )
)
SAVES: dict[str, Callable[[Sequence[bytes]], Sequence[bytes]]] = {
    **dict.fromkeys(("RPUSH", "RPUSHX", "LPUSH", "LPUSHX", "SADD", "APPEND"), lambda rest: rest),
    "SET": lambda rest: rest[:1],
    **dict.fromkeys(("SETEX", "PSETEX"), lambda rest: rest[1:2]),
    **dict.fromkeys(("HSET", "HMSET", "HSETNX"), lambda rest: rest[1::2]),
    "JSON.ARRAPPEND": lambda rest: rest[1:],
    "ZADD": lambda rest: _members(rest),
}
"""By command, the payloads among the arguments behind the key."""
SCRIPTS = frozenset(["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"])
NEW_CONNECTION = frozenset(("HELLO", "RESET"))
_ZADD_OPTIONS = frozenset((b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"))
_BEGINNINGS = frozenset((b"0", b"0-0", b"-"))


class Reading:
    """Commands in, events out. Remembers who is subscribed, follows, and is in a transaction."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._line = 0
        self._script = ("", 0)
        self._transactions: dict[str, int] = {}
        self._subscribed: defaultdict[str, set[bytes]] = defaultdict(set)
        self._followed: defaultdict[str, dict[bytes, bytes]] = defaultdict(dict)
        self._groups: set[tuple[int, bytes, bytes]] = set()

    def events(self, command: Command) -> Iterator[Event]:
        """The events of the next command; call it for every command, in order."""
        self._line += 1
        self._bracket(command)
        name, args = command.name, command.args
        if not args:
            if name.endswith("UNSUBSCRIBE"):
                self._subscribed[command.client].clear()
        elif name in ("PUBLISH", "SPUBLISH"):
            yield from self._publish(command)
        elif name in ("SUBSCRIBE", "SSUBSCRIBE", "PSUBSCRIBE"):
            yield from self._subscribe(command)
        elif name.endswith("UNSUBSCRIBE"):
            self._subscribed[command.client].difference_update(args)
        elif name in ("XREAD", "XREADGROUP"):
            yield from self._xread(command)
        elif name == "XGROUP":
            yield from self._xgroup(command)
        elif name == "XADD":
            yield from self._xadd(command)
        elif name in READS:
            yield from self._read(command)
        elif name in SAVES:
            yield from self._save(command)

    def _bracket(self, command: Command) -> None:
        """Scripts, transactions, and connections that begin anew under an old address."""
        name, client = command.name, command.client
        if name in SCRIPTS:
            self._script = (client, self._line)
        elif name == "MULTI" and _is_one(client):
            self._transactions[client] = self._line
        elif name in ("EXEC", "DISCARD"):
            self._transactions.pop(client, None)
        elif name in NEW_CONNECTION:
            for of_client in (self._transactions, self._subscribed, self._followed):
                of_client.pop(client, None)

    def _event(self, command: Command, kind: Kind, session: str, **other: object) -> Event:
        client, block = command.client, self._transactions.get(command.client)
        if client == LUA:
            client, block = self._script
            block = self._transactions.get(client, block)
        return Event(
            kind, self._line, command.at_us, command.db,
            client if _is_one(client) else None, session, block, **other,  # type: ignore[arg-type]
        )  # fmt: skip

    # --- Pub/Sub ---

    def _publish(self, command: Command) -> Iterator[Event]:
        session = session_of(self._patterns.channel, command.args[0])
        if session is not None and len(command.args) > 1:
            payload = payload_of(command.args[1])
            yield self._event(command, Kind.PUBLISH, session, payload=payload)

    def _subscribe(self, command: Command) -> Iterator[Event]:
        had = self._subscribed[command.client]
        for channel in command.args:
            wide = glob(channel) if command.name == "PSUBSCRIBE" else None
            session = session_of(self._patterns.channel, channel)
            if wide is not None and (session is None or glob(session.encode()) is not None):
                session = ""  # whose, only the sessions that turn up will tell
            if session is not None:
                again = channel in had and _is_one(command.client)
                yield self._event(command, Kind.SUBSCRIBE, session, again=again, wide=wide)
            had.add(channel)

    # --- histories ---

    def _read(self, command: Command) -> Iterator[Event]:
        session = self._session_of_key(command.args[0], stream=command.name.startswith("X"))
        if session is not None:
            yield self._event(command, Kind.READ, session)

    def _save(self, command: Command) -> Iterator[Event]:
        session = session_of(self._patterns.history, command.args[0])
        if session is not None:
            for data in SAVES[command.name](command.args[1:]):
                yield self._event(command, Kind.SAVE, session, payload=payload_of(data))

    # --- streams ---

    def _xadd(self, command: Command) -> Iterator[Event]:
        of_stream = session_of(self._patterns.stream, command.args[0])
        session = self._session_of_key(command.args[0], stream=True)
        entry = _entry(command.args[1:])
        if session is None or entry is None:
            return
        cursor, fields = entry
        data = fields[1] if len(fields) == 2 else b"\0".join(fields)
        kind = Kind.SAVE if of_stream is None else Kind.APPEND
        yield self._event(command, kind, session, payload=payload_of(data), cursor=cursor)

    def _xread(self, command: Command) -> Iterator[Event]:
        """A key that the connection did not ask for last time is being followed from now on."""
        words = [word.upper() for word in command.args]
        if b"STREAMS" not in words:
            return
        begin = words.index(b"STREAMS") + 1
        keys = command.args[begin : begin + (len(words) - begin) // 2]
        cursors = command.args[begin + len(keys) :]
        block_ms = _number_behind(words, b"BLOCK")
        before = self._followed[command.client]
        now: dict[bytes, bytes] = {}
        for key, cursor in zip(keys, cursors, strict=False):
            session = session_of(self._patterns.stream, key)
            if session is None:
                yield from self._read_once(command, key)
            elif command.name == "XREADGROUP":
                yield from self._group_read(command, key, cursor, session, words)
            elif block_ms is None and cursor in _BEGINNINGS:
                yield self._event(command, Kind.READ, session)
            else:
                now[key] = cursor
                again = cursor == b"$" and before.get(key) == b"$"
                if key not in before or again:
                    yield self._event(
                        command, Kind.FOLLOW, session,
                        cursor=cursor.decode("latin-1"), block_ms=block_ms or 0, again=again,
                    )  # fmt: skip
        self._followed[command.client] = now

    def _read_once(self, command: Command, key: bytes) -> Iterator[Event]:
        session = session_of(self._patterns.history, key)
        if session is not None:
            yield self._event(command, Kind.READ, session)

    def _group_read(
        self, command: Command, key: bytes, cursor: bytes, session: str, words: list[bytes]
    ) -> Iterator[Event]:
        """A group's position is known from its creation; who reads in it first brings nothing."""
        at = words.index(b"GROUP") + 1 if b"GROUP" in words else len(words)
        group = (command.db, key, b"".join(command.args[at : at + 1]))
        if cursor == b">" and group not in self._groups:
            self._groups.add(group)
            yield self._event(command, Kind.FOLLOW, session, cursor=UNKNOWN)

    def _xgroup(self, command: Command) -> Iterator[Event]:
        if len(command.args) < 4 or command.args[0].upper() not in (b"CREATE", b"SETID"):
            return
        _, key, group, cursor, *_ = command.args
        session = session_of(self._patterns.stream, key)
        if session is not None:
            self._groups.add((command.db, key, group))
            text = cursor.decode("latin-1")
            yield self._event(command, Kind.FOLLOW, session, cursor=text)

    def _session_of_key(self, key: bytes, stream: bool) -> str | None:
        session = session_of(self._patterns.stream, key) if stream else None
        return session_of(self._patterns.history, key) if session is None else session


def _is_one(client: str) -> bool:
    """Whether it is one connection. Those of a Unix socket all look alike."""
    return client != "" and not client.startswith("unix:")


def is_beginning(cursor: str | None) -> bool:
    """Whether a reader from there is sent everything."""
    return cursor is not None and cursor.encode() in _BEGINNINGS


def _members(rest: Sequence[bytes]) -> Sequence[bytes]:
    """Of ZADD [options] score member [score member ...]."""
    first = next((n for n, word in enumerate(rest) if word.upper() not in _ZADD_OPTIONS), 0)
    return rest[first + 1 :: 2]


def _entry(rest: Sequence[bytes]) -> tuple[str | None, Sequence[bytes]] | None:
    """(id, fields and values) of XADD's arguments behind the key; no id where the store makes it.

    The options are NOMKSTREAM, and MAXLEN or MINID with [=|~] threshold [LIMIT count].
    """
    at = 0
    while at < len(rest) and (word := rest[at].upper()) in (
        b"NOMKSTREAM", b"MAXLEN", b"MINID", b"LIMIT", b"KEEPREF", b"DELREF", b"ACKED",
    ):  # fmt: skip
        at += 1
        if word in (b"MAXLEN", b"MINID", b"LIMIT"):
            at += 2 if at < len(rest) and rest[at] in (b"=", b"~") else 1
    if at >= len(rest):
        return None
    cursor = rest[at].decode("latin-1")
    return None if "*" in cursor else cursor, rest[at + 1 :]


def _number_behind(words: list[bytes], option: bytes) -> int | None:
    if option not in words[:-1]:
        return None
    number = words[words.index(option) + 1]
    return int(number) if number.isdigit() else None
