"""LibreChat #13117: an answer that begins with number 1 again."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import Taken
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.effects import SaveAndPublish
from chunk7.delivery.frames import Frame, JoinedFrame, chunks_in
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@write_ordering()
def counts_per_answer(chunk: Chunk) -> WriteSteps:
    """The counter is deleted with the answer that it numbered: the next begins with 1."""
    yield SaveAndPublish(replace(chunk, seq=chunk.index + 1))


class ShowsWhatIsNewer(TakesAll):
    """A reorder buffer's frontier: what is not above the last number is taken for a duplicate."""

    def start(self) -> Hashable:
        return 0

    def take(self, memory: Any, frame: Frame) -> Taken:
        shown = []
        for chunk in chunks_in(frame):
            if chunk.seq > memory:
                memory = chunk.seq
                shown.append(chunk)
        return memory, tuple(shown)


class ForgetsWhenItLeaves(ShowsWhatIsNewer):
    """With each connection the frontier is set anew."""

    def take(self, memory: Any, frame: Frame) -> Taken:
        if isinstance(frame, JoinedFrame):
            return 0, ()
        return super().take(memory, frame)


MERGE = CONNECT_ORDERINGS["buffered_merge"]
LOST = (Failure.LOSSY, Failure.OUT_OF_ORDER, Failure.REWINDING)


CASE = FieldCase(
    name="librechat_13117",
    title="LibreChat: the second answer begins with number 1, and is taken for the first",
    links=(
        "https://github.com/danny-avila/LibreChat/pull/13117",
        "https://github.com/danny-avila/LibreChat/pull/14059",
        "https://github.com/danny-avila/LibreChat/pull/14411",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "the reader's frontier outlives the numbers that it is of",
            ExploreCell(MERGE, counts_per_answer, chunks=3, client=ShowsWhatIsNewer()),
            *LOST,
        ),
        variant(
            "as merged first",
            "the frontier is forgotten when a reader leaves; one that stays keeps it",
            ExploreCell(MERGE, counts_per_answer, chunks=3, client=ForgetsWhenItLeaves()),
            *LOST,
        ),
        variant(
            "as merged then",
            "the counter goes on from answer to answer",
            ExploreCell(MERGE, WRITE_ORDERINGS["atomic_lua"], chunks=3, client=ShowsWhatIsNewer()),
        ),
    ),
    live=(
        "chunk7 explore --connect buffered_merge --write"
        " field_cases/librechat_13117/__init__.py:counts_per_answer --client"
        " field_cases/librechat_13117/__init__.py:ShowsWhatIsNewer --out build/librechat",
        "chunk7 reproduce --schedule build/librechat/*-lossy.json",
    ),
)
