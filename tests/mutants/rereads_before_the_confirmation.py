"""A recovery that reads as soon as the store is back, and not once it is subscribed again.

It looks quicker: SUBSCRIBE is sent, live chunks are held, so what can pass between? What is written
behind the read and in front of the subscription, as in the bug itself. The position shows it at the
next heartbeat, so nothing is lost; but by then the client has later chunks.

    node: loses the store, sends SUBSCRIBE   on its way
    node: read history                       (empty)
    producer: save and publish 1             -> 0 receivers
    store: SUBSCRIBE takes effect            too late for 1
    producer: save and publish 2             held, released, and 1 comes after it
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
from chunk7.delivery.position import Position
from chunk7.nodes.connect.positioned_merge import positioned_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


def at_once(position: Position) -> ConnectSteps:
    history = yield ReadHistory(after_seq=position.gapless)
    found = tuple(chunk for chunk in history if position.lacks(chunk.seq))
    if found:
        yield SendHistory(found)
    yield Confirmed()
    yield Release(known=frozenset(chunk.seq for chunk in found))


@connect_ordering(recovery=at_once)
def rereads_before_the_confirmation(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()


MUTANT = Mutant(
    connect=rereads_before_the_confirmation,
    write=atomic_lua,
    sound=(positioned_merge, atomic_lua),
    fails=Failure.OUT_OF_ORDER,
    chunks=2,
    faults=("store_kill_pubsub",),
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        node1 store_reconnect
        node1.join1 read_history
        producer number_save_and_publish 1
        store subscription
        producer number_save_and_publish 2
        node1 deliver 2
        node1.join1 confirmed
        node1.join1 release
        node1.join1 heartbeat
        store subscription
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 confirmed
        node1.join1 release
        """
    ),
)
