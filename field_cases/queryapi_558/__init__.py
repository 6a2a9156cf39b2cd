"""queryapi #558: a cursor that is helped along."""

from chunk7.delivery.cursor import cursor_of, entry_id
from chunk7.delivery.effects import Cursor, Follow, ReadStream, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


def after(cursor: Cursor) -> Cursor:
    """The id that follows it, which an entry may have."""
    time_ms, serial = entry_id(cursor)
    return cursor_of((time_ms, serial + 1))


@connect_ordering(feed=Feed.STREAM)
def from_the_next_id(join: Join) -> ConnectSteps:
    """XREAD is exclusive, and is given the id after the last one that was read."""
    read = yield ReadStream(join.after)
    yield SendHistory(tuple(c for c in read.chunks if c.seq > join.after_seq), read.cursor)
    yield Follow(after(read.cursor))
    yield SendWelcome()


APPEND = WRITE_ORDERINGS["stream_append"]


CASE = FieldCase(
    name="queryapi_558",
    title="queryapi: XREAD is given the id after the last one, and begins after that",
    links=("https://github.com/near/queryapi/pull/558",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "adds one to the last id, and reads what is after the sum",
            ExploreCell(from_the_next_id, APPEND, chunks=2),
            Failure.LOSSY,
        ),
        variant(
            "as merged",
            "reads what is after the last id",
            ExploreCell(CONNECT_ORDERINGS["redis_streams"], APPEND, chunks=2),
        ),
    ),
    live=(
        "chunk7 explore --connect field_cases/queryapi_558/__init__.py:from_the_next_id"
        " --write stream_append --chunks 2 --out build/queryapi",
        "chunk7 reproduce --schedule build/queryapi/*-lossy.json",
    ),
)
