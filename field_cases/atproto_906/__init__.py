"""atproto #906: numbers are taken in one order, and seen in another."""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import Taken
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.frames import BeatFrame, Frame, chunks_in
from chunk7.delivery.life import ProducerLife
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


class LastSeen(TakesAll):
    """Sends out what is above the last number, in order."""

    def start(self) -> Hashable:
        return 0, ()

    def take(self, memory: Any, frame: Frame) -> Taken:
        last, held = memory
        waiting = sorted({*held, *chunks_in(frame)}, key=lambda chunk: chunk.seq)
        waiting = [chunk for chunk in waiting if chunk.seq > last]
        ready = self.ready(last, waiting, isinstance(frame, BeatFrame))
        shown, rest = tuple(waiting[:ready]), tuple(waiting[ready:])
        return (max([last, *(chunk.seq for chunk in shown)]), rest), shown

    def ready(self, last: int, waiting: list[Chunk], time_is_up: bool) -> int:
        """How many of those that wait are sent out."""
        return len(waiting)


class WaitsAtAGap(LastSeen):
    """Holds back what is behind a gap, for a time: here until the next heartbeat."""

    asks = True  # a heartbeat is its clock

    def ready(self, last: int, waiting: list[Chunk], time_is_up: bool) -> int:
        if time_is_up:
            return len(waiting)
        return sum(chunk.seq == last + 1 + place for place, chunk in enumerate(waiting))


MERGE = CONNECT_ORDERINGS["buffered_merge"]
LATE = WRITE_ORDERINGS["save_then_publish"]
ONE_STEP = WRITE_ORDERINGS["atomic_lua"]
TWO = ProducerLife(writers=2)
BY_TWO = (Failure.OUT_OF_ORDER, Failure.REWINDING)
"""Nobody says which of two writers is to come first."""


CASE = FieldCase(
    name="atproto_906",
    title="atproto: numbers are taken in one order, and become visible in another",
    links=(
        "https://github.com/bluesky-social/atproto/pull/906",
        "https://github.com/bluesky-social/atproto/pull/1298",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "two writers, and a reader that goes on behind the last number it has seen",
            ExploreCell(MERGE, LATE, chunks=2, client=LastSeen(), life=TWO),
            Failure.LOSSY,
            Failure.DUPLICATING,
            *BY_TWO,
        ),
        variant(
            "as merged",
            "the reader waits at a gap for a time",
            ExploreCell(MERGE, LATE, chunks=2, client=WaitsAtAGap(), life=TWO),
            Failure.LOSSY,
            Failure.DUPLICATING,
            *BY_TWO,
        ),
        variant(
            "mended",
            "a number is taken where it becomes visible, in one step",
            ExploreCell(MERGE, ONE_STEP, chunks=2, client=LastSeen(), life=TWO),
            *BY_TWO,
        ),
    ),
    live=(
        "chunk7 explore --connect buffered_merge --write save_then_publish --chunks 2"
        " --writers 2 --client field_cases/atproto_906/__init__.py:LastSeen --out"
        " build/atproto",
        "chunk7 reproduce --schedule build/atproto/*-lossy.json",
    ),
)
