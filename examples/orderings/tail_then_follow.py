"""Follow a stream from its end into a buffer, then read it: as live feeds with a replay do.

1. Read where the stream ends (XREVRANGE + - COUNT 1)
2. Follow from there, into a buffer
3. Read the stream from the beginning, and send it
4. Release what the buffer holds above the read's cursor, the high-water mark

Guarantee: every entry once, in order. What is appended before 2 is in the read, because the read
comes later; what is appended after the read is held; what is in both is below the mark. Follow
from the end read in 1, not from `$`, and it does not matter how long 2 takes.

What the stream no longer has it cannot read (MAXLEN, `--faults trim`):

    producer: append 1, append 2
    store: trim                 1 is gone
    node: read the tail, follow, read from the beginning  gets 2
"""

from chunk7.delivery.effects import (
    Follow,
    Pause,
    ReadStream,
    ReadTail,
    ReleaseAfter,
    SendHistory,
    SendWelcome,
    Sink,
)
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering


@connect_ordering(feed=Feed.STREAM)
def tail_then_follow(join: Join) -> ConnectSteps:
    yield Follow(after=(yield ReadTail()), to=Sink.BUFFER)
    yield Pause()
    read = yield ReadStream()
    yield SendHistory(tuple(chunk for chunk in read.chunks if chunk.seq > join.after_seq))
    yield ReleaseAfter(read.cursor)
    yield SendWelcome()
