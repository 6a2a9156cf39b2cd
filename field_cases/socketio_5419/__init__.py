"""socket.io #5419: what was recovered has no offset."""

from chunk7.delivery.clients.last_id import KeepsLastId
from chunk7.delivery.effects import BEGINNING, Follow, ReadStream, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering(feed=Feed.STREAM, client=KeepsLastId)
def recovers_without_offset(join: Join) -> ConnectSteps:
    """What comes live has its entry's id, what was missed has none."""
    if join.after == BEGINNING:
        yield Follow(BEGINNING)
    else:
        read = yield ReadStream(join.after)
        yield SendHistory(read.chunks)
        yield Follow(read.cursor)
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM, client=KeepsLastId)
def recovers_with_offset(join: Join) -> ConnectSteps:
    """What was missed comes with the id of its last entry."""
    if join.after == BEGINNING:
        yield Follow(BEGINNING)
    else:
        read = yield ReadStream(join.after)
        yield SendHistory(read.chunks, read.cursor)
        yield Follow(read.cursor)
    yield SendWelcome()


APPEND = WRITE_ORDERINGS["stream_append"]
ONCE = ("client_reconnect_storm",)
TWICE = ("client_reconnect_storm", "client_reconnect_storm")


CASE = FieldCase(
    name="socketio_5419",
    title="socket.io: who comes back twice is given the same packets twice",
    links=(
        "https://github.com/socketio/socket.io/issues/5419",
        "https://github.com/socketio/socket.io-redis-streams-adapter/issues/39",
        "https://github.com/socketio/socket.io-redis-streams-adapter/pull/40",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "comes back twice; what it was given the first time carried no offset",
            ExploreCell(recovers_without_offset, APPEND, chunks=2, faults=TWICE),
            Failure.DUPLICATING,
        ),
        variant(
            "as reported, and comes back once",
            "nothing comes twice",
            ExploreCell(recovers_without_offset, APPEND, chunks=2, faults=ONCE),
        ),
        variant(
            "as merged",
            "what is recovered carries its entry's id, too",
            ExploreCell(recovers_with_offset, APPEND, chunks=2, faults=TWICE),
        ),
    ),
)
