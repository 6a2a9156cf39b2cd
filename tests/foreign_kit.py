"""Somebody's orderings that tell a story in every driver."""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Follow,
    Pause,
    Publish,
    ReadHead,
    ReadStream,
    Release,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ClientPolicy,
    ConnectSteps,
    Feed,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)


@write_ordering()
def backwards(chunk: Chunk) -> WriteSteps:
    """Of two chunks publishes the first as number 3 and the second as number 2."""
    yield Publish(chunk.numbered(3 - chunk.index))


@connect_ordering()
def knows_one_and_two(join: Join) -> ConnectSteps:
    """Releases its buffer without 1 and 2."""
    yield Subscribe(Sink.BUFFER)
    yield Confirmed()
    yield Pause()
    yield Release(frozenset({1, 2}))
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM, client=ClientPolicy.FILLS_GAPS)
def newest_and_fill(join: Join) -> ConnectSteps:
    """Reads a stream, follows it from its end, and has the client fetch what lies between."""
    read = yield ReadStream()
    yield SendHistory(tuple(chunk for chunk in read.chunks if chunk.seq > join.after_seq))
    yield Pause()
    yield Follow(after=NEWEST)
    yield SendWelcome(head_seq=(yield ReadHead()))


@connect_ordering(client=ClientPolicy.FILLS_GAPS)
def no_history(join: Join) -> ConnectSteps:
    """Leaves all that is older to the client, which is to fetch it."""
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome(head_seq=(yield ReadHead()))
