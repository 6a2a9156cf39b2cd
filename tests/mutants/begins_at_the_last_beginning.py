"""The node takes the last copy of an answer's first chunk for the beginning, and leaves out what
is before it: a producer may have begun again.

Right as long as the one before has stopped by then. One that was taken for dead still saves what
it has under way, when its successor is further on.

    producer: about to write 1, is taken for dead; its successor: save and publish 1, 2
    zombie: save and publish 1
    node: reads 1 2 1, sends the last 1
"""

from chunk7.delivery.effects import (
    Confirmed,
    ReadHistory,
    Release,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def begins_at_the_last_beginning(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    firsts = [n for n, chunk in enumerate(history) if (chunk.message_id, chunk.index) == ("m1", 0)]
    yield SendHistory(history[firsts[-1] if firsts else 0 :])
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()


MUTANT = Mutant(
    connect=begins_at_the_last_beginning,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.LOSSY,
    chunks=2,
    faults=("producer_zombie",),
    shortest=schedule(
        """
        node1.join1 subscribe
        producer producer_zombie
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        zombie number_save_and_publish 1
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
