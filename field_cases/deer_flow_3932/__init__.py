"""deer-flow #3932: a run whose worker has died ends in one place, and readers look in another."""

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.effects import (
    BEGINNING,
    Append,
    Follow,
    ReadStatus,
    ReadStream,
    SendEnd,
    SendHistory,
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

OVER = "error"


def run_is_over(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """Who finds that a worker has died writes it down with the run."""
    yield SetStatus(OVER)


def run_and_stream_are_over(chunks: tuple[Chunk, ...]) -> WriteSteps:
    """And ends its stream."""
    yield SetStatus(OVER)
    yield Append(End(chunks[-1].session_id))


@write_ordering(feed=Feed.STREAM, ending=run_is_over)
def dies_and_is_written_down(chunk: Chunk) -> WriteSteps:
    """What the worker still wrote."""
    yield Append(chunk)


@write_ordering(feed=Feed.STREAM, ending=run_and_stream_are_over)
def dies_and_its_stream_is_ended(chunk: Chunk) -> WriteSteps:
    """The same."""
    yield Append(chunk)


@connect_ordering(feed=Feed.STREAM)
def until_the_end_marker(join: Join) -> ConnectSteps:
    """Follow the stream until its end."""
    yield Follow(BEGINNING)
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def with_the_run_as_it_was(join: Join) -> ConnectSteps:
    """The run is looked up once, as the request begins."""
    status = yield ReadStatus()
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    if status == OVER:
        yield SendEnd()
    yield Follow(read.cursor)
    yield SendWelcome()


CASE = FieldCase(
    name="deer_flow_3932",
    title="deer-flow: a dead worker's run is over in one place, and readers look in another",
    links=(
        "https://github.com/bytedance/deer-flow/issues/3932",
        "https://github.com/bytedance/deer-flow/pull/3933",
        "https://github.com/bytedance/deer-flow/pull/4420",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "the run is marked, its stream is not; readers wait for the stream's end",
            ExploreCell(until_the_end_marker, dies_and_is_written_down, chunks=2),
            Failure.UNFINISHED,
        ),
        variant(
            "as merged, where it is found at a start",
            "whoever starts and finds such a run ends its stream as well",
            ExploreCell(until_the_end_marker, dies_and_its_stream_is_ended, chunks=2),
        ),
        variant(
            "as merged, where it is found later",
            "the run is marked again, and alone; a reader knows the run as it was when it came",
            ExploreCell(with_the_run_as_it_was, dies_and_is_written_down, chunks=2),
            Failure.UNFINISHED,
        ),
        variant(
            "as merged then",
            "one way for both: the run is marked, and its stream ended",
            ExploreCell(with_the_run_as_it_was, dies_and_its_stream_is_ended, chunks=2),
        ),
    ),
)
