"""term-llm #455: a reader that is too slow is dropped, and told that all is done."""

from collections.abc import Callable

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.effects import (
    Confirmed,
    NumberSaveAndPublish,
    ReadHistory,
    Release,
    SendControl,
    SendEnd,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectOrdering,
    ConnectSteps,
    Join,
    WriteSteps,
    write_ordering,
)
from chunk7.delivery.position import Position
from chunk7.delivery.recovery import recover
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


def terminal_event(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """A run's last event goes where its others go."""
    yield NumberSaveAndPublish(End(chunks[-1].session_id))


@write_ordering(ending=terminal_event)
def run_events(chunk: Chunk) -> WriteSteps:
    """Each event is kept for replay, and sent to who listens."""
    yield NumberSaveAndPublish(chunk)


def replay_then_live(join: Join) -> ConnectSteps:
    """What is kept, then what comes."""
    yield Subscribe(Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(join.after_seq)
    yield SendHistory(history)
    yield Release(frozenset(chunk.seq for chunk in history))
    yield SendWelcome()


def told_that_all_is_done(position: Position) -> ConnectSteps:
    """Its channel is closed, and whoever finds a channel closed writes `[DONE]`."""
    yield SendEnd()


def cut_off(position: Position) -> ConnectSteps:
    """The same without `[DONE]`: the connection just ends."""
    yield SendControl("interrupted")


def cut_off_and_back(position: Position) -> ConnectSteps:
    """And the reader comes again, and is given what it has missed."""
    yield SendControl("interrupted")
    yield from recover(position)


def dropping(then: Callable[[Position], ConnectSteps]) -> ConnectOrdering:
    """A reader that is behind is dropped."""
    return ConnectOrdering("replay_then_live", replay_then_live, recovery=then)


CASE = FieldCase(
    name="term_llm_455",
    title="term-llm: a reader that is too slow is dropped, and told that all is done",
    links=("https://github.com/SamSaffron/term-llm/pull/455",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "a reader that is behind is dropped, and its stream ends as one that is complete",
            ExploreCell(dropping(told_that_all_is_done), run_events, chunks=2),
            Failure.FALSE_END,
            Failure.LOSSY,
        ),
        variant(
            "as merged, and the reader stays away",
            "the stream ends without a word of the end",
            ExploreCell(dropping(cut_off), run_events, chunks=2),
            Failure.LOSSY,
            Failure.UNFINISHED,
        ),
        variant(
            "as merged, and it comes again",
            "which the missing end tells it to do, and is given what it lacks",
            ExploreCell(dropping(cut_off_and_back), run_events, chunks=2),
        ),
    ),
)
