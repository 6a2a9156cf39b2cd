"""A feed with a replay that asks where the stream ends only after it has read it.

"Follow from where it ends now" skips what came between the read and the question. It looks better
than `$`, because the cursor is a number that can be logged.

    node: read stream           (empty)
    producer: append 1
    node: read the tail         that is 1: follow from behind it
"""

from pathlib import Path

from chunk7.delivery.effects import Follow, Pause, ReadStream, ReadTail, SendHistory, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.delivery.user_file import load_file
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule

EXAMPLES = Path(__file__).parents[2] / "examples" / "orderings"


@connect_ordering(feed=Feed.STREAM)
def reads_the_tail_last(join: Join) -> ConnectSteps:
    yield SendHistory((yield ReadStream()).chunks)
    yield Pause()
    yield Follow(after=(yield ReadTail()))
    yield SendWelcome()


MUTANT = Mutant(
    connect=reads_the_tail_last,
    write=stream_append,
    sound=(
        load_file(EXAMPLES / "tail_then_follow.py", "ordering").tail_then_follow,
        stream_append,
    ),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        node1.join1 read_stream
        producer append 1
        node1.join1 send_history
        node1.join1 read_tail
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
