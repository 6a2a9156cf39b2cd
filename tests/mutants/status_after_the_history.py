"""The node reads the status last, to have it fresh, and ends a client whose last chunk still comes.

What was saved between the two reads is published to this client, and on its way; the status is a
reply on another connection, and overtakes it. The chunk does arrive. A client that has closed at
the end never sees it.

    node: subscribe, read history       (empty)
    producer: save and publish 1, set the status    -> 1 receiver
    node: read status, send end         1 is still on its way
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Confirmed,
    NumberSaveAndPublish,
    ReadHistory,
    ReadStatus,
    Release,
    SendEnd,
    SendHistory,
    SetStatus,
    Sink,
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


def set_done(chunks: tuple[Chunk, ...]) -> WriteSteps:
    yield SetStatus("done")


@write_ordering(ending=set_done)
def done_at_the_end(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)


@connect_ordering()
def status_after_the_history(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    if (yield ReadStatus()) == "done":
        yield SendEnd()


@connect_ordering()
def status_before_the_history(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    status = yield ReadStatus()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    if status == "done":
        yield SendEnd()


MUTANT = Mutant(
    connect=status_after_the_history,
    write=done_at_the_end,
    sound=(status_before_the_history, done_at_the_end),
    fails=Failure.FALSE_END,
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        producer number_save_and_publish 1
        producer set_status
        node1.join1 read_status
        node1.join1 send_end
        node1 deliver 1
        """
    ),
)
