"""assistant-ui #5515, #6737, #7198, #7201: a stream acquired again, and its old producer."""

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import (
    BEGINNING,
    Append,
    Begin,
    Clear,
    Follow,
    ReadStatus,
    ReadTail,
    SendWelcome,
    SetStatus,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Feed,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@write_ordering(feed=Feed.STREAM)
def acquires_then_deletes(chunk: Chunk) -> WriteSteps:
    """The id is taken (SET NX), and then what an earlier answer has left is deleted."""
    if chunk.index == 0:
        yield SetStatus(chunk.message_id)
        yield Clear()
    yield Append(chunk)


@connect_ordering(feed=Feed.STREAM)
def reads_once_it_is_acquired(join: Join) -> ConnectSteps:
    """Somebody has the id for this answer: what is in the stream is of it. Else what comes is."""
    tail = yield ReadTail()
    acquired_for = yield ReadStatus()
    yield Follow(BEGINNING if acquired_for == join.message_id else tail)
    yield SendWelcome()


@write_ordering(feed=Feed.STREAM)
def checks_then_ends(chunk: Chunk) -> WriteSteps:
    """Whose stream it is was asked before; what is done then is done, whosever it has become."""
    if chunk.index == 0:
        yield Begin()
    yield Append(chunk)
    if chunk.final:
        yield Append(End(chunk.session_id))


def ends_if_it_is_still_ours(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """A producer that was replaced does not come to this."""
    yield Append(End(chunks[-1].session_id))


@write_ordering(feed=Feed.STREAM, ending=ends_if_it_is_still_ours)
def compares_as_it_ends(chunk: Chunk) -> WriteSteps:
    """The end alone is compared and written in one step."""
    if chunk.index == 0:
        yield Begin()
    yield Append(chunk)


@connect_ordering(feed=Feed.STREAM)
def follows(join: Join) -> ConnectSteps:
    """Whatever is in the stream, and comes."""
    yield Follow(BEGINNING)
    yield SendWelcome()


REPLACED = ("producer_zombie",)
AS_GOOD_AS_DEAD = ("producer_crash",)
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)
"""An answer that two have begun is shown twice."""


CASE = FieldCase(
    name="assistant_ui_5515",
    title="assistant-ui: four fixes for a stream that is acquired again",
    links=(
        "https://github.com/assistant-ui/assistant-ui/pull/5515",
        "https://github.com/assistant-ui/assistant-ui/pull/6737",
        "https://github.com/assistant-ui/assistant-ui/pull/7198",
        "https://github.com/assistant-ui/assistant-ui/issues/7201",
        "https://github.com/assistant-ui/assistant-ui/pull/7220",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "the id is taken for a new answer, then the old one is deleted",
            ExploreCell(
                reads_once_it_is_acquired,
                acquires_then_deletes,
                chunks=3,
                contract=Contract.FROM_MESSAGE,
            ),
            Failure.FOREIGN,
            Failure.LOSSY,
        ),
        variant(
            "first fix",
            "each acquisition has keys of its own; a producer asks whose it is, and then writes",
            ExploreCell(follows, checks_then_ends, chunks=2, faults=REPLACED),
            Failure.FALSE_END,
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "second fix",
            "the end is compared and written in one step, a deletion is not",
            ExploreCell(follows, compares_as_it_ends, chunks=2, faults=REPLACED),
            Failure.LOSSY,
            Failure.UNFINISHED,
            Failure.FALSE_END,
            *TWICE,
        ),
        variant(
            "third fix",
            "all is, but two producers of one process count as one: as before",
            ExploreCell(follows, checks_then_ends, chunks=2, faults=REPLACED),
            Failure.FALSE_END,
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "fourth fix",
            "each has a lease of its own: one that is replaced is as good as dead",
            ExploreCell(follows, compares_as_it_ends, chunks=2, faults=AS_GOOD_AS_DEAD),
            Failure.DUPLICATING,
        ),
    ),
)
