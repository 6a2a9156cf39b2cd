"""Our commands on a real server: the methods of `chunk7.delivery.store.MemoryStore`, awaited.

Every command is handed to the link before its method first suspends, so calls are executed in call
order.
"""

import asyncio
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

from chunk7.delivery.chunk import Chunk, epoch_key
from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import BEGINNING, NEWEST, Cursor, StreamRead
from chunk7.delivery.errors import StoreError
from chunk7.wire.frames import decode_chunk
from chunk7.wire.store.epochs import KEPT_FOR_TTLS, Epochs
from chunk7.wire.store.layout import OWN, Layout
from chunk7.wire.store.link import Link

HISTORY_TTL_MS = 3_600_000

_SCRIPT = (Path(__file__).parent / "number_save_and_publish.lua").read_bytes()
SCRIPT_CALLS = {"incr": 1, "rpush": 1, "pexpire": 2, "publish": 1}
"""What one EVALSHA of the script makes the server call by itself, by the server's names.

The server's own count has these calls too, though they never crossed the wire.
"""
_SCRIPT_SHA = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest()

_COMMAND_CALLS = re.compile(r"^cmdstat_([^|:\s]+)\S*?:calls=(\d+)", re.MULTILINE)


class Store:
    """The store's commands over one Link. All raise StoreError and StoreLost.

    `stream_max_entries` trims streams exactly at each append; None keeps everything. Reading back
    what another `layout` than our own has written is its readers' part, not ours. With `epochs`
    numbers that begin (again) begin an epoch; without, they are taken and no more.
    """

    def __init__(
        self,
        link: Link,
        history_ttl_ms: int = HISTORY_TTL_MS,
        stream_max_entries: int | None = None,
        layout: Layout = OWN,
        epochs: Epochs | None = None,
    ) -> None:
        self.link = link
        self.layout = layout
        self._epochs = epochs
        self._ttl_ms = history_ttl_ms
        self._trim = () if stream_max_entries is None else ("MAXLEN", "=", stream_max_entries)

    @classmethod
    async def open(
        cls,
        url: str,
        name: str = "chunk7",
        history_ttl_ms: int = HISTORY_TTL_MS,
        stream_max_entries: int | None = None,
        layout: Layout = OWN,
        epochs: Epochs | None = None,
    ) -> "Store":
        """Connect and load the Lua script; raises as `Link.open`."""
        link = await Link.open(url, name)
        store = cls(link, history_ttl_ms, stream_max_entries, layout, epochs)
        try:
            await store.link.send("SCRIPT", "LOAD", _SCRIPT)
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Disconnect."""
        await self.link.close()

    # --- write side ---

    async def next_seq(self, session_id: str) -> int:
        """INCR. If it begins an epoch, that is written before whatever the caller writes next."""
        seq = int(await self.link.send("INCR", self.layout.counter(session_id)))
        epoch = None if self._epochs is None else self._epochs.took(session_id, seq)
        if epoch is not None:
            command = ("SET", epoch_key(session_id), epoch, "PX", self._ttl_ms * KEPT_FOR_TTLS)
            self.link.send(*command).add_done_callback(_look_at)
        return seq

    async def publish(self, chunk: Chunk) -> int:
        """PUBLISH; how many subscribers it was handed to."""
        channel = self.layout.channel(chunk.session_id)
        return int(await self.link.send("PUBLISH", channel, self.layout.payload(chunk)))

    async def save(self, chunk: Chunk) -> None:
        """RPUSH, and renew the time to live."""
        await self._transaction(*self._save_commands(chunk))

    async def save_and_publish(self, chunk: Chunk) -> int:
        """MULTI RPUSH PUBLISH EXEC; receivers."""
        publish = ("PUBLISH", self.layout.channel(chunk.session_id), self.layout.payload(chunk))
        replies = await self._transaction(*self._save_commands(chunk), publish)
        return int(replies[-1])

    async def number_save_and_publish(self, chunk: Chunk) -> tuple[int, int]:
        """The Lua script; (seq, receivers)."""
        layout, session = self.layout, chunk.session_id
        kept = (layout.counter(session), layout.history(session), layout.channel(session))
        last_seq, epoch = (0, "") if self._epochs is None else self._epochs.next(session)
        numbers = (self._ttl_ms, last_seq, epoch, self._ttl_ms * KEPT_FOR_TTLS)
        keys = (*kept, epoch_key(session))
        seq, receivers = await self.link.send(
            "EVALSHA", _SCRIPT_SHA, len(keys), *keys, *numbers, *layout.around_seq(chunk)
        )
        if self._epochs is not None:
            self._epochs.took(session, int(seq))
        return int(seq), int(receivers)

    async def append(self, chunk: Chunk, entry: Cursor = "*") -> Cursor:
        """XADD with exact MAXLEN, and renew the time to live; the entry's id.

        The store makes the id of its clock; a replayed schedule brings its own.
        """
        key = self.layout.stream(chunk.session_id)
        replies = await self._transaction(
            ("XADD", key, *self._trim, entry, *self.layout.entry(chunk)),
            ("PEXPIRE", key, self._ttl_ms),
        )
        cursor: bytes = replies[0]
        return cursor.decode()

    async def begin(self, session_id: str) -> None:
        """DEL history, stream and counter."""
        named = self.layout.history, self.layout.stream, self.layout.counter
        await self.link.send("DEL", *(key(session_id) for key in named))

    async def clear(self, session_id: str) -> None:
        """DEL history and stream."""
        await self.link.send("DEL", self.layout.history(session_id), self.layout.stream(session_id))

    # --- connect side ---

    async def history(
        self, session_id: str, after_seq: int = 0, to_seq: int | None = None
    ) -> tuple[Chunk, ...]:
        """LRANGE, then the wanted numbers of it."""
        return tuple(
            chunk
            for chunk in map(decode_chunk, await self.saved(session_id))
            if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq)
        )

    async def saved(self, session_id: str) -> list[bytes]:
        """LRANGE: all that was saved, as it is stored."""
        payloads: list[bytes] = await self.link.send(
            "LRANGE", self.layout.history(session_id), 0, -1
        )
        return payloads

    async def head(self, session_id: str) -> int:
        """GET the counter."""
        return int(await self.link.send("GET", self.layout.counter(session_id)) or 0)

    async def stream(self, session_id: str, after: Cursor) -> StreamRead:
        """XRANGE, exclusive of `after`; `NEWEST` gives nothing and the last id ever appended.

        Raises OrderingError for a cursor that is none.
        """
        payloads, cursor = await self.entries(session_id, after)
        return StreamRead(tuple(map(decode_chunk, payloads)), cursor)

    async def entries(self, session_id: str, after: Cursor) -> tuple[list[bytes], Cursor]:
        """The same, its chunks as they are stored."""
        key = self.layout.stream(session_id)
        if after == NEWEST:
            return [], await _newest(self.link, key)
        entry_id(after)
        entries = await self.link.send("XRANGE", key, f"({after}", "+")
        cursor = entries[-1][0].decode() if entries else after
        return [fields[1] for _, fields in entries], cursor

    async def tail(self, session_id: str) -> Cursor:
        """XREVRANGE + - COUNT 1: the newest entry's id, `BEGINNING` without one."""
        key = self.layout.stream(session_id)
        entries = await self.link.send("XREVRANGE", key, "+", "-", "COUNT", 1)
        return entries[0][0].decode() if entries else BEGINNING

    async def entries_with_ids(
        self, session_id: str, after: Cursor
    ) -> tuple[tuple[Cursor, Chunk], ...]:
        """What `stream` reads, each chunk with its entry's id. Raises as it does."""
        entry_id(after)
        key = self.layout.stream(session_id)
        entries = await self.link.send("XRANGE", key, f"({after}", "+")
        return tuple((entry.decode(), decode_chunk(fields[1])) for entry, fields in entries)

    # --- housekeeping ---

    async def time_us(self) -> int:
        """TIME, in microseconds of Unix time."""
        seconds, microseconds = await self.link.send("TIME")
        return int(seconds) * 1_000_000 + int(microseconds)

    async def command_calls(self) -> dict[str, int]:
        """INFO commandstats: how often each command was executed since the server's start.

        Names are the server's, in lower case; sub-commands are counted under their command.
        """
        return _calls_in(await self.link.send("INFO", "commandstats"))

    def _save_commands(self, chunk: Chunk) -> tuple[tuple[Any, ...], ...]:
        key = self.layout.history(chunk.session_id)
        counter = self.layout.counter(chunk.session_id)
        return (
            ("RPUSH", key, self.layout.payload(chunk)),
            ("PEXPIRE", key, self._ttl_ms),
            ("PEXPIRE", counter, self._ttl_ms),
        )

    async def _transaction(self, *commands: tuple[Any, ...]) -> list[Any]:
        """MULTI commands EXEC, sent in one go; the commands' replies."""
        *queued, executed = self.link.send_all(("MULTI",), *commands, ("EXEC",))
        try:
            replies = await executed
        finally:
            for reply in queued:  # EXEC's reply says it all; theirs must only have been looked at
                if not reply.cancel():
                    reply.exception()
        for reply in replies:
            if isinstance(reply, Exception):
                raise StoreError(str(reply))
        return list(replies)


def _calls_in(commandstats: bytes) -> dict[str, int]:
    calls: Counter[str] = Counter()
    for name, count in _COMMAND_CALLS.findall(commandstats.decode()):
        calls[name.lower()] += int(count)
    return dict(calls)


async def _newest(link: Link, key: str) -> Cursor:
    """The last id that the stream ever gave."""
    try:
        info = await link.send("XINFO", "STREAM", key)
    except StoreError as error:
        if "no such key" in str(error):
            return BEGINNING
        raise
    cursor: bytes = info[info.index(b"last-generated-id") + 1]
    return cursor.decode()


def _look_at(reply: "asyncio.Future[Any]") -> None:
    """Of a command that nobody waits for: what refuses it refuses those after it, too."""
    if not reply.cancelled():
        reply.exception()
