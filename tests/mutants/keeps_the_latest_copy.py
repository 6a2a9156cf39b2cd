"""The node sends of each (message, index) only the copy that was saved last.

Right as long as copies are neighbours. A producer that dies, and whose successor has forgotten
what was written, writes all again: whoever reads while it does has chunk 2 of the first, and 1 of
the second.

    producer: save and publish 1, 2; dies; another: save and publish 1
    node: reads 1 2 1, sends 2 1
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
def keeps_the_latest_copy(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    latest = {(chunk.message_id, chunk.index): chunk.seq for chunk in history}
    kept = tuple(c for c in history if c.seq == latest[c.message_id, c.index])
    yield SendHistory(kept)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()


MUTANT = Mutant(
    connect=keeps_the_latest_copy,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.OUT_OF_ORDER,
    chunks=3,
    faults=("producer_crash",),
    shortest=schedule(
        """
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        node1.join1 subscribe
        producer producer_restart
        producer number_save_and_publish 1
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer number_save_and_publish 2
        producer number_save_and_publish 3
        node1 deliver 2
        node1 deliver 3
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
