"""Two consumers a client: one that fills a buffer while the history is read, one for live chunks.

When the buffer is released the first one is closed, and the second begins. What is published
between the two has no listener.

    node: release the buffer, unsubscribe
    store: unsubscribe
    producer: number, save and publish 1
    store: subscribe
"""

from chunk7.delivery.effects import (
    Confirmed,
    ReadHistory,
    Release,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
    Unsubscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def subscribes_anew_for_the_client(join: Join) -> ConnectSteps:
    yield Subscribe(Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(join.after_seq)
    yield SendHistory(history)
    yield Release(frozenset(chunk.seq for chunk in history))
    yield Unsubscribe()
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()


MUTANT = Mutant(
    connect=subscribes_anew_for_the_client,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        node1 confirmation
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 unsubscribe
        store unsubscription
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1 confirmation
        node1.join1 confirmed
        node1.join1 send_welcome
        """
    ),
)
