"""Streams with a MAXLEN that somebody chose to save memory: shorter than an answer.

Who joins late finds the beginning gone; who reads slowly finds the middle gone.

    producer: append 1, 2, 3    with MAXLEN 2, so 1 is gone
    node: read the stream       gets 2 and 3
"""

from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule

MUTANT = Mutant(
    connect=redis_streams,
    write=stream_append,
    sound=(redis_streams, stream_append),
    stream_max_entries=2,
    fails=Failure.LOSSY,
    chunks=3,
    shortest=schedule(
        """
        producer next_seq 1
        producer append 1
        producer next_seq 2
        producer append 2
        producer next_seq 3
        producer append 3
        node1.join1 read_stream
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
