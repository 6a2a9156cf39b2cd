"""Half a migration from Pub/Sub to Streams: the producer feeds both, the node listens to both.

Nobody removed the old subscription. Every live chunk comes twice, to a client that was promised
a stream without duplicates.

    node: subscribe, follow the stream
    producer: append 1, publish 1
    client: gets 1 and 1
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Append,
    Confirmed,
    Follow,
    NextSeq,
    Publish,
    ReadStream,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.producer.write.stream_append import stream_append
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def two_subscriptions(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    read = yield ReadStream()
    yield SendHistory(read.chunks)
    yield Follow(after=read.cursor)
    yield SendWelcome()


@write_ordering()
def append_and_publish(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Append(chunk)
    yield Publish(chunk)


MUTANT = Mutant(
    connect=two_subscriptions,
    write=append_and_publish,
    sound=(redis_streams, stream_append),
    fails=Failure.DUPLICATING,
    shortest=schedule(
        """
        producer next_seq 1
        producer append 1
        node1.join1 subscribe
        store subscription
        producer publish 1
        node1 deliver 1
        node1.join1 confirmed
        node1.join1 read_stream
        node1.join1 send_history
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
