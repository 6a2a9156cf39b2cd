"""dify #40948: the first event of a run is written before anybody follows the stream."""

from chunk7.delivery.effects import BEGINNING, NEWEST, Follow, ReadTail, SendWelcome, Start
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering(feed=Feed.STREAM)
def from_the_newest(join: Join) -> ConnectSteps:
    """Dispatch the run, then XREAD from `$`, whenever that is."""
    yield Start()
    yield Follow(NEWEST)
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def from_the_beginning(join: Join) -> ConnectSteps:
    """XREAD from `0-0`, also when the client comes again."""
    yield Start()
    yield Follow(BEGINNING)
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def from_a_checkpoint_once(join: Join) -> ConnectSteps:
    """From where the stream was before the run was dispatched; who comes again dispatches nothing,
    and is given what is new.
    """
    if join.after_seq:
        yield Follow(NEWEST)
    else:
        checkpoint = yield ReadTail()
        yield Start()
        yield Follow(checkpoint)
    yield SendWelcome()


APPEND = WRITE_ORDERINGS["stream_append"]
AGAIN = ("client_reconnect_storm",)


CASE = FieldCase(
    name="dify_40948",
    title="dify: the first events of a run are written before anybody follows its stream",
    links=(
        "https://github.com/langgenius/dify/issues/40948",
        "https://github.com/langgenius/dify/pull/40964",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "dispatches the run, and follows from `$`",
            ExploreCell(from_the_newest, APPEND, chunks=2),
            Failure.LOSSY,
        ),
        variant(
            "before",
            "follows from the beginning, whoever comes again, too",
            ExploreCell(from_the_beginning, APPEND, chunks=2, faults=AGAIN),
            Failure.DUPLICATING,
            Failure.REWINDING,
        ),
        variant(
            "as merged",
            "takes the position before it dispatches the run, and follows from there",
            ExploreCell(from_a_checkpoint_once, APPEND, chunks=2),
        ),
        variant(
            "as merged, and the client comes again",
            "which is given what is new from then on",
            ExploreCell(from_a_checkpoint_once, APPEND, chunks=2, faults=AGAIN),
            Failure.LOSSY,
        ),
        variant(
            "mended",
            "whoever comes again says what it has, and follows from there",
            ExploreCell(CONNECT_ORDERINGS["redis_streams"], APPEND, chunks=2, faults=AGAIN),
        ),
    ),
    live=(
        "chunk7 explore --connect field_cases/dify_40948/__init__.py:from_the_newest"
        " --write stream_append --chunks 2 --out build/dify",
        "chunk7 reproduce --schedule build/dify/*-lossy.json",
    ),
)
