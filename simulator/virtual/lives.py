"""An answer as it is streamed in virtual time, and the clients that watch it."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import EntryId, cursor_of, entry_id
from chunk7.delivery.effects import (
    NEWEST,
    Cursor,
    ReadHistory,
    ReadStream,
    ReadTail,
    StreamRead,
)
from chunk7.delivery.handover import Handover
from chunk7.delivery.ordering import Feed
from chunk7.simulator.virtual.chunks import SESSION_ID, Timeline, id_at
from chunk7.simulator.virtual.fault_schedule import FaultSchedule
from chunk7.simulator.virtual.paths import Path
from chunk7.simulator.virtual.receipts import Range, contiguous


class Session:
    """A timeline as lists: bisect on a list is several times quicker than on an array."""

    __slots__ = (
        "alike",
        "arrive_ms",
        "chunks",
        "ids",
        "last_ms",
        "number_ms",
        "publish_ms",
        "published",
        "regular",
        "save_ms",
        "saved",
        "session_id",
    )

    def __init__(self, number: int, timeline: Timeline) -> None:
        self.alike: int | None = number
        """Sessions that store the same have the same here: their joins take the same paths."""
        self.session_id = SESSION_ID
        self.chunks = timeline.chunks
        self.number_ms: list[float] = timeline.number_ms.tolist()
        self.publish_ms: list[float] = timeline.publish_ms.tolist()
        self.save_ms: list[float] = timeline.save_ms.tolist()
        self.arrive_ms: list[float] = timeline.arrive_ms.tolist()
        self.last_ms = max([0.0, *self.arrive_ms[-1:], *self.save_ms[-1:]])
        self.published = timeline.published
        self.saved = timeline.saved
        self.ids: list[EntryId] = list(accumulate(self.save_ms, id_at, initial=(0, 0)))[1:]
        self.regular = timeline.regular

    def stored(self, at_ms: float) -> int:
        """What the answer to a read at this instant is called: `count` says how much is stored.

        A whole answer has a name of its own: its last chunk is marked as such.
        """
        count = bisect_right(self.save_ms, at_ms)
        return count if count < self.chunks else ~count

    def count(self, stored: int) -> int:
        """How many chunks are saved, or appended, by what `stored` calls so."""
        return stored if stored >= 0 else ~stored

    def answer(self, effect: ReadHistory | ReadStream | ReadTail, stored: int) -> Any:
        """What the store answers when so much is saved, or appended."""
        count = self.count(stored)
        match effect:
            case ReadHistory(after_seq, to_seq):
                return self.history(count, after_seq, to_seq)
            case ReadStream(after):
                return self.stream(count, after)
            case _:
                return self.stream(count, NEWEST).cursor

    def history(self, count: int, after_seq: int, to_seq: int | None) -> tuple[Chunk, ...]:
        """LRANGE when so many are saved: `MemoryStore.history`."""
        saved = self.saved[:count]
        if not self.regular:
            return tuple(
                chunk
                for chunk in saved
                if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq)
            )
        return saved[max(0, after_seq) : None if to_seq is None else max(0, to_seq)]

    def stream(self, count: int, after: Cursor) -> StreamRead:
        """XRANGE when so many are appended: `MemoryStore.stream`."""
        position = self.position(count, after)
        if position >= count:
            newest = self.ids[count - 1] if count else (0, 0)
            return StreamRead((), cursor_of(newest) if after == NEWEST else after)
        return StreamRead(self.saved[position:count], cursor_of(self.ids[count - 1]))

    def position(self, count: int, after: Cursor) -> int:
        """How many entries are not after the cursor, when so many are appended."""
        return count if after == NEWEST else bisect_right(self.ids, entry_id(after))

    def ranges(self, chunks: Sequence[Chunk]) -> list[Range]:
        """The indices of these chunks, in their order."""
        if not chunks:
            return []
        begin, end = chunks[0].index, chunks[-1].index + 1
        if self.regular and end - begin == len(chunks):
            return [(begin, end)]
        return contiguous(chunk.index for chunk in chunks)

    def live(self, begin: int, end: int) -> list[Range]:
        """The indices of the publications begin..end."""
        if self.regular:
            return [(begin, end)] if begin < end else []
        return contiguous(chunk.index for chunk in self.published[begin:end])


@dataclass(frozen=True, slots=True)
class Released:
    """A buffer's release. `has`: the client has all numbers up to it, and none beyond, before what
    was held is sent; None where that cannot be said with one number."""

    known: frozenset[int]
    has: int | None

    @classmethod
    def of(cls, known: frozenset[int], after_seq: int) -> "Released":
        """Of a client that resumed after `after_seq`."""
        beyond = [seq for seq in known if seq > after_seq]
        top = max(beyond, default=after_seq)
        return cls(known, top if len(beyond) == top - after_seq else None)


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed stream's release: the client has its first `has` entries."""

    has: int


def sessions_of(timelines: Sequence[Timeline], feed: Feed) -> list[Session]:
    """The timelines' sessions; alike are those that store the same chunks, as far as they go.

    Streams never are: their entries bear the instants of the session.
    """
    sessions = [Session(number, timeline) for number, timeline in enumerate(timelines)]
    if feed is Feed.STREAM:
        return sessions
    longest = max(sessions, key=lambda session: len(session.saved))
    ends: dict[int, Chunk] = {}
    for session in sessions:
        *begin, end = session.saved or (None,)
        same = session.regular and tuple(begin) == longest.saved[: len(begin)]
        if same and end is not None and ends.setdefault(len(begin), end) == end:
            session.alike = None
    return sessions


Channel = tuple[float, float]
"""A node's subscription to a session: executed, and confirmed to the node."""


@dataclass(slots=True, eq=False)
class Life:
    """A client on one node, from its join to the end of the answer or of the node.

    `place` is its connection's in the block. Slots: there are millions of these, and a default that
    is the class's own would make each look at an attribute slower.
    """

    place: int
    node: int
    join_ms: float
    after_seq: int
    path: Path
    writes: list[tuple[float, list[Range] | Released | Followed]] = field(default_factory=list)
    """Frames apart from live chunks, with their instants."""
    attached_ms: float | None = None
    attached_write: int = 0
    """How many of `writes` came before attaching, which may be at the same instant."""
    channel: Channel | None = None
    earlier: "tuple[Life, ...]" = ()
    """Its client's lives before it."""
    end_ms: float = math.inf
    follow_from: int | None = None
    handover: Handover | None = None
    """As it was at the attaching: what comes of it is a matter of what arrives."""
    head: int | None = None
    history_ms: float | None = None
    """When its first history frame came: before it a client asks for nothing."""
    latencies: int = 0
    """How many its client has used up."""
    pauses: int = 0
    read_ms: float | None = None
    welcome_ms: float | None = None


@dataclass(frozen=True, slots=True)
class WatcherGroup:
    """The clients of one answer meet each other, and nobody else.

    Their clock's zero is `epoch_ms` of the schedule's, which is None without faults.
    """

    session: Session
    epoch_ms: float
    schedule: FaultSchedule | None
