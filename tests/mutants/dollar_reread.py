"""Streams, but the blocking read starts from `$` again instead of the last id it has.

After a time-out `$` means "newer than now": what was appended since the last read is skipped.

    node: read stream           (empty)
    producer: append 1
    node: follow from $         1 is already old
"""

from chunk7.delivery.effects import NEWEST, Follow, Pause, ReadStream, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering(feed=Feed.STREAM)
def dollar_reread(join: Join) -> ConnectSteps:
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    yield Pause()
    yield Follow(after=NEWEST)
    yield SendWelcome()


MUTANT = Mutant(
    connect=dollar_reread,
    write=stream_append,
    sound=(redis_streams, stream_append),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        node1.join1 read_stream
        producer append 1
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
