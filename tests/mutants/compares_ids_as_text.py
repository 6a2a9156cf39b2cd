"""Option 2 and a client that keeps the last id it was given, and takes what is not newer for old.

Ids have parts that are numbers. This client compares them as text, where "10-0" comes before
"9-0". That goes well until a part gains a digit: from then on everything is old.

    producer: append 1 as 999999-0, append 2 as 1000000-0
    client: shows 1, and leaves 2 out
"""

from chunk7.delivery.clients.last_id import KeepsLastId
from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule

MUTANT = Mutant(
    connect=redis_streams,
    write=stream_append,
    sound=(redis_streams, stream_append),
    client=KeepsLastId(newer=lambda one, other: one > other),
    fails=Failure.LOSSY,
    chunks=2,
    shortest=schedule(
        """
        producer next_seq 1
        producer append 1
        producer next_seq 2
        node1.join1 read_stream
        producer append 2
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        node1.join1 tail
        """
    ),
)
