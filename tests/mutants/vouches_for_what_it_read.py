"""The node calls whatever the history still had a recovery, though some of it had been trimmed.

Loses no more than an honest node, which looks whether the numbers go on where the client is and
otherwise keeps silent: the client may then ask for the rest elsewhere. Told that nothing is missing
it has no reason to.

    producer: save and publish 1 and 2
    store: trim to 1
    node: subscribe, read       the history has 2, "recovered"
"""

from collections.abc import Sequence

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    RECOVERED,
    Confirmed,
    ReadHead,
    ReadHistory,
    Release,
    SendControl,
    SendHistory,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


def merged(join: Join, history: Sequence[Chunk]) -> ConnectSteps:
    yield SendHistory(tuple(history))
    yield Release(known=frozenset(chunk.seq for chunk in history))


@connect_ordering()
def vouches_for_what_it_read(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield from merged(join, history)
    yield SendControl(RECOVERED)


@connect_ordering()
def vouches_for_what_it_knows(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    head = yield ReadHead()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield from merged(join, history)
    numbers = {chunk.seq for chunk in history}
    if numbers.issuperset(range(join.after_seq + 1, max([head, *numbers]) + 1)):
        yield SendControl(RECOVERED)


MUTANT = Mutant(
    connect=vouches_for_what_it_read,
    write=atomic_lua,
    sound=(vouches_for_what_it_knows, atomic_lua),
    fails=Failure.TOLD_RECOVERED,
    faults=("trim",),
    chunks=2,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        store trim
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_control
        """
    ),
)
