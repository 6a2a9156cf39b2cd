"""Chunks are kept twice, in a list and in a stream, which is read where the list ends too early.

A list that the store evicts alone begins anew with the next chunk: its end is right, and what is
missing is its beginning. Both have to be read.

    producer: append, save and publish 1
    store: evicts the history
    producer: append, save and publish 2
    node: subscribe, read               the history has 2, and 2 is the head
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Append,
    Confirmed,
    NumberSaveAndPublish,
    ReadHead,
    ReadHistory,
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
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def kept_twice(chunk: Chunk) -> WriteSteps:
    yield Append(chunk)
    yield NumberSaveAndPublish(chunk)


@connect_ordering()
def falls_back_to_the_stream(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    kept = yield ReadHistory()
    if max([0, *(chunk.seq for chunk in kept)]) < (yield ReadHead()):
        kept = (yield ReadStream()).chunks
    yield SendHistory(kept)
    yield SendWelcome()


@connect_ordering()
def reads_both(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    kept = yield ReadHistory()
    yield SendHistory((*kept, *(yield ReadStream()).chunks))
    yield SendWelcome()


MUTANT = Mutant(
    connect=falls_back_to_the_stream,
    write=kept_twice,
    sound=(reads_both, kept_twice),
    fails=Failure.LOSSY,
    chunks=2,
    faults=("evict_key",),
    only=True,
    shortest=schedule(
        """
        producer append 1
        producer number_save_and_publish 1
        producer append 2
        store evict_history
        producer number_save_and_publish 2
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 read_head
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
