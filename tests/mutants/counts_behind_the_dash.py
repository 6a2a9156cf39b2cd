"""Streams, but the node works out by itself where the next entry is.

"The number behind the dash counts the entries, and mine is the last: go on with the next." It
counts the entries of one millisecond, and XREAD begins behind its cursor. So the entry with the
number that was made up is skipped, for ever, when two appends fall into one millisecond.

    producer: append 1          gets MS-0
    node: read stream           1, cursor MS-0
    producer: append 2          gets MS-1, the clock still shows MS
    node: follow from MS-1      2 is not behind it
"""

from chunk7.delivery.effects import BEGINNING, Follow, Pause, ReadStream, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering(feed=Feed.STREAM)
def counts_behind_the_dash(join: Join) -> ConnectSteps:
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    yield Pause()
    milliseconds, _, serial = read.cursor.partition("-")
    following = f"{milliseconds}-{int(serial) + 1}" if read.chunks else BEGINNING
    yield Follow(after=following)
    yield SendWelcome()


MUTANT = Mutant(
    connect=counts_behind_the_dash,
    write=stream_append,
    sound=(redis_streams, stream_append),
    fails=Failure.LOSSY,
    chunks=2,
    shortest=schedule(
        """
        producer next_seq 1
        producer append 1
        producer next_seq 2
        node1.join1 read_stream
        producer append_same_ms 2
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
