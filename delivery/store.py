"""The store in memory: what a Redis-protocol server does with our commands, one at a time.

`wire.store.store.Store` has the same methods over a real server; a test runs one script on both and
compares the histories whole. Here a method is one atomic event, and delivery to a subscriber is
a mailbox that somebody else empties, whenever that is: Pub/Sub promises no more.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import CLOCK_START_MS, EntryId, cursor_of, entry_id, next_id
from chunk7.delivery.effects import BEGINNING, NEWEST, Cursor, StreamRead

Snapshot = tuple[Any, ...]
"""Everything a `MemoryStore` holds, hashable: equal snapshots, equal futures."""
_NONE = entry_id(BEGINNING)


class Key(StrEnum):
    """What a session has in the store."""

    HISTORY = "history"
    STREAM = "stream"
    COUNTER = "counter"


class MemoryStore:
    """Lists, counters, channels and streams of any number of sessions.

    `mailboxes[subscriber]` holds published chunks that the subscriber has not been given yet.
    `stream_max_entries` trims a stream exactly at each append; None keeps everything. Nothing has a
    time here but stream ids, and they have only an order: each append is told whether the clock
    has gone on since the session's last. If so, by one millisecond: the narrowest distance.
    """

    def __init__(self, stream_max_entries: int | None = None) -> None:
        self.mailboxes: dict[str, deque[Chunk]] = defaultdict(deque)
        self._histories: dict[str, list[Chunk]] = defaultdict(list)
        self._seqs: dict[str, int] = defaultdict(int)
        self._subscribers: dict[str, list[str]] = defaultdict(list)
        self._streams: dict[str, list[tuple[EntryId, Chunk]]] = defaultdict(list)
        self._last_ids: dict[str, EntryId] = {}
        self._clocks_ms: dict[str, int] = {}
        self._statuses: dict[str, str] = {}
        self._stream_max_entries = stream_max_entries

    # --- write side ---

    def next_seq(self, session_id: str) -> int:
        """INCR."""
        self._seqs[session_id] += 1
        return self._seqs[session_id]

    def publish(self, chunk: Chunk) -> int:
        """PUBLISH; how many subscribers it was handed to."""
        subscribers = self._subscribers[chunk.session_id]
        for subscriber in subscribers:
            self.mailboxes[subscriber].append(chunk)
        return len(subscribers)

    def save(self, chunk: Chunk) -> None:
        """RPUSH."""
        self._histories[chunk.session_id].append(chunk)

    def save_and_publish(self, chunk: Chunk) -> int:
        """MULTI RPUSH PUBLISH EXEC; receivers."""
        self.save(chunk)
        return self.publish(chunk)

    def number_save_and_publish(self, chunk: Chunk) -> tuple[int, int]:
        """The Lua script; (seq, receivers)."""
        seq = self.next_seq(chunk.session_id)
        return seq, self.save_and_publish(chunk.numbered(seq))

    def append(self, chunk: Chunk, *, same_ms: bool = False) -> Cursor:
        """XADD with MAXLEN; the entry's id. `same_ms`: the clock shows what it did at the last."""
        session = chunk.session_id
        now_ms = self._clocks_ms.get(session, CLOCK_START_MS) + (not same_ms)
        last = next_id(self._last_ids.get(session, _NONE), now_ms)
        self._clocks_ms[session], self._last_ids[session] = now_ms, last
        entries = self._streams[session]
        entries.append((last, chunk))
        if self._stream_max_entries is not None:
            del entries[: -self._stream_max_entries or len(entries)]
        return cursor_of(last)

    def begin(self, session_id: str) -> None:
        """DEL history, stream and counter."""
        self.clear(session_id)
        self._seqs.pop(session_id, None)

    def clear(self, session_id: str) -> None:
        """DEL history and stream."""
        for keys in (self._histories, self._streams, self._last_ids):
            keys.pop(session_id, None)

    def set_status(self, session_id: str, status: str) -> None:
        """SET."""
        self._statuses[session_id] = status

    # --- connect side ---

    def subscribe(self, subscriber: str, session_id: str) -> None:
        """SUBSCRIBE takes effect. A second one by the same subscriber changes nothing."""
        if subscriber not in self._subscribers[session_id]:
            self._subscribers[session_id].append(subscriber)

    def unsubscribe(self, subscriber: str, session_id: str) -> None:
        """UNSUBSCRIBE, or the subscriber's connection broke."""
        if subscriber in self._subscribers[session_id]:
            self._subscribers[session_id].remove(subscriber)

    def disconnect(self) -> None:
        """All connections broke: nobody is subscribed, and nothing is on its way to anybody."""
        self._subscribers.clear()
        self.mailboxes.clear()

    def history(
        self, session_id: str, after_seq: int = 0, to_seq: int | None = None
    ) -> tuple[Chunk, ...]:
        """LRANGE, then the wanted numbers of it."""
        return tuple(
            chunk
            for chunk in self._histories[session_id]
            if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq)
        )

    def head(self, session_id: str) -> int:
        """GET the counter."""
        return self._seqs[session_id]

    def status(self, session_id: str) -> str | None:
        """GET; None before anything was set."""
        return self._statuses.get(session_id)

    def stream(self, session_id: str, after: Cursor) -> StreamRead:
        """XRANGE, exclusive of `after`; `NEWEST` gives nothing and the last id ever appended.

        Raises OrderingError for a cursor that is none.
        """
        if after == NEWEST:
            return StreamRead((), cursor_of(self._last_ids.get(session_id, _NONE)))
        entries = self.entries_with_ids(session_id, after)
        cursor = entries[-1][0] if entries else after
        return StreamRead(tuple(chunk for _, chunk in entries), cursor)

    def entries_with_ids(self, session_id: str, after: Cursor) -> tuple[tuple[Cursor, Chunk], ...]:
        """XREAD: what is behind `after`, each with its id. Errors as for `stream`."""
        position = entry_id(after)
        entries = (entry for entry in self._streams[session_id] if entry[0] > position)
        return tuple((cursor_of(entry), chunk) for entry, chunk in entries)

    def tail(self, session_id: str) -> Cursor:
        """XREVRANGE + - COUNT 1: the newest entry's id, `BEGINNING` without one."""
        entries = self._streams[session_id]
        return cursor_of(entries[-1][0]) if entries else BEGINNING

    # --- an operator, and the pure drivers ---

    def trim(self, session_id: str, max_entries: int) -> None:
        """LTRIM and XTRIM: only the newest `max_entries` (>= 1) of history and stream stay."""
        del self._histories[session_id][:-max_entries]
        del self._streams[session_id][:-max_entries]

    def expire(self, session_id: str) -> None:
        """Nobody wrote for the time to live: the session's keys are gone, its subscribers stay."""
        self.begin(session_id)
        self._statuses.pop(session_id, None)

    def evict(self, session_id: str, key: Key) -> None:
        """One of the session's keys is gone."""
        gone: dict[Key, tuple[dict[str, Any], ...]] = {
            Key.HISTORY: (self._histories,),
            Key.STREAM: (self._streams, self._last_ids),
            Key.COUNTER: (self._seqs,),
        }
        for values in gone[key]:
            values.pop(session_id, None)

    def roll_back(self, before: "MemoryStore", *, clock_behind: bool = False) -> None:
        """All keys are as they were before, and clocks if they are behind; subscribers stay."""
        if clock_behind:
            self._clocks_ms = before._clocks_ms
        self._histories, self._streams = before._histories, before._streams
        self._seqs, self._last_ids = before._seqs, before._last_ids
        self._statuses = before._statuses

    def snapshot(self) -> Snapshot:
        """What the store holds, as a value; `restored` makes a store of it again."""
        return (
            _items(self._histories),
            _items(self._streams),
            _items(self._subscribers),
            _items(self.mailboxes),
            tuple(sorted(pair for pair in self._seqs.items() if pair[1])),
            tuple(sorted(self._last_ids.items())),
            tuple(sorted(self._clocks_ms.items())),
            tuple(sorted(self._statuses.items())),
        )

    @classmethod
    def restored(cls, snapshot: Snapshot, stream_max_entries: int | None = None) -> "MemoryStore":
        """A store that holds what the snapshot says."""
        store = cls(stream_max_entries)
        histories, streams, subscribers, mailboxes, seqs, last_ids, clocks_ms, statuses = snapshot
        store._histories.update((key, list(values)) for key, values in histories)
        store._streams.update((key, list(values)) for key, values in streams)
        store._subscribers.update((key, list(values)) for key, values in subscribers)
        store.mailboxes.update((key, deque(values)) for key, values in mailboxes)
        store._seqs.update(seqs)
        store._last_ids.update(last_ids)
        store._clocks_ms.update(clocks_ms)
        store._statuses.update(statuses)
        return store


def _items(table: Mapping[str, Any]) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return tuple((key, tuple(table[key])) for key in sorted(table) if table[key])
