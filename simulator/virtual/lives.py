"""An answer as it is streamed in virtual time, and the clients that watch it."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import EntryId, cursor_of, entry_id
from chunk7.delivery.effects import NEWEST, Cursor, StreamRead
from chunk7.delivery.handover import Handover
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.chunks import Timeline, id_at
from chunk7.simulator.virtual.fault_schedule import FaultSchedule
from chunk7.simulator.virtual.receipts import Range, contiguous


class Session:
    """A timeline as lists: bisect on a list is several times quicker than on an array."""

    __slots__ = (
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
        self.session_id = f"s{number}"
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

    def history(self, at_ms: float, after_seq: int, to_seq: int | None) -> tuple[Chunk, ...]:
        """LRANGE at an instant: `MemoryStore.history` of what is saved by then."""
        saved = self.saved[: bisect_right(self.save_ms, at_ms)]
        if not self.regular:
            return tuple(
                chunk
                for chunk in saved
                if after_seq < chunk.seq and (to_seq is None or chunk.seq <= to_seq)
            )
        return saved[max(0, after_seq) : None if to_seq is None else max(0, to_seq)]

    def stream(self, at_ms: float, after: str) -> StreamRead:
        """XRANGE at an instant: `MemoryStore.stream` of what is appended by then."""
        last = bisect_right(self.save_ms, at_ms)
        position = self.position(at_ms, after)
        if position >= last:
            newest = self.ids[last - 1] if last else (0, 0)
            return StreamRead((), cursor_of(newest) if after == NEWEST else after)
        return StreamRead(self.saved[position:last], cursor_of(self.ids[last - 1]))

    def tail(self, at_ms: float) -> Cursor:
        """XREVRANGE at an instant: the newest entry's id."""
        return self.stream(at_ms, NEWEST).cursor

    def position(self, at_ms: float, after: Cursor) -> int:
        """How many entries are not after the cursor, which is executed at that instant."""
        if after == NEWEST:
            return bisect_right(self.save_ms, at_ms)
        return bisect_right(self.ids, entry_id(after))

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


Channel = tuple[float, float]
"""A node's subscription to a session: executed, and confirmed to the node."""


class Life:
    """A client on one node, from its join to the end of the answer or of the node."""

    __slots__ = (
        "after_seq",
        "attached_ms",
        "attached_write",
        "channel",
        "client",
        "end_ms",
        "follow_from",
        "handover",
        "head",
        "join_ms",
        "node",
        "read_ms",
        "steps",
        "welcome_ms",
        "writes",
    )

    def __init__(
        self, client: "VirtualClient", node: int, join_ms: float, after_seq: int, steps: Steps
    ) -> None:
        self.client = client
        self.node = node
        self.after_seq = after_seq
        self.join_ms = join_ms
        self.steps = steps
        self.end_ms = math.inf
        self.attached_ms: float | None = None
        self.attached_write = 0
        """How many of `writes` came before attaching, which may be at the same instant."""
        self.channel: Channel | None = None
        self.handover: Handover | None = None
        """As it was at the attaching: what comes of it is a matter of what arrives."""
        self.follow_from: int | None = None
        self.read_ms: float | None = None
        self.welcome_ms: float | None = None
        self.head: int | None = None
        self.writes: list[tuple[float, Any]] = []
        """Frames apart from live chunks: (instant, history chunks | ranges | release)."""

    def history_ms(self) -> float | None:
        """When its first history frame came: before it a client asks for nothing."""
        return next((at for at, content in self.writes if isinstance(content, tuple)), None)


class VirtualClient:
    """One connection of the results: a place in the block, and its lives."""

    __slots__ = ("latencies", "lives", "pauses", "place")

    def __init__(self, place: int) -> None:
        self.place = place
        self.latencies = 0
        self.pauses = 0
        self.lives: list[Life] = []


@dataclass(frozen=True, slots=True)
class WatcherGroup:
    """The clients of one answer meet each other, and nobody else.

    Their clock's zero is `epoch_ms` of the schedule's, which is None without faults.
    """

    session: Session
    epoch_ms: float
    schedule: FaultSchedule | None
