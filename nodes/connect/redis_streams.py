"""Option 2 of the bug report: one stream, one cursor, no handover.

Guarantee: every entry exactly once and in order, as long as the stream is not trimmed past the
cursor. There is no second source to hand over to, so there is no failing schedule but trimming:

    producer: append 1, append 2   with MAXLEN 1, so 1 is gone
    node: read from the beginning  gets 2
"""

from chunk7.delivery.effects import Follow, Pause, ReadStream, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering


@connect_ordering(feed=Feed.STREAM)
def redis_streams(join: Join) -> ConnectSteps:
    read = yield ReadStream(after=join.after)
    yield SendHistory(
        tuple(chunk for chunk in read.chunks if chunk.seq > join.after_seq), read.cursor
    )
    yield Pause()
    yield Follow(after=read.cursor)
    yield SendWelcome()
