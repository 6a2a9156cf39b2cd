"""A feed with a replay that releases its buffer from where it began to follow.

The buffer was filled from the tail on, so "release all of it" sounds right. But the read came later
and has some of it already: the mark is the read's cursor.

    node: read the tail, follow into a buffer   (empty)
    producer: append 1
    node: tail                  1 is held
    node: read stream, send     1 is sent
    node: release               1 is sent again
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
from chunk7.producer.write.stream_append import stream_append
from mutants import reads_the_tail_last
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering(feed=Feed.STREAM)
def releases_from_the_tail(join: Join) -> ConnectSteps:
    tail = yield ReadTail()
    yield Follow(after=tail, to=Sink.BUFFER)
    yield Pause()
    yield SendHistory((yield ReadStream()).chunks)
    yield ReleaseAfter(tail)
    yield SendWelcome()


MUTANT = Mutant(
    connect=releases_from_the_tail,
    write=stream_append,
    sound=reads_the_tail_last.MUTANT.sound,
    fails=Failure.DUPLICATING,
    shortest=schedule(
        """
        node1.join1 read_tail
        node1.join1 follow
        producer next_seq 1
        producer append 1
        node1.join1 tail
        node1.join1 read_stream
        node1.join1 send_history
        node1.join1 release_after
        node1.join1 send_welcome
        """
    ),
)
