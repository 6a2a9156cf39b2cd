"""The merge takes the highest number of the history for the client's place, and leaves out what
is not above it.

Right as long as chunks are saved in the order of their numbers. A producer that begins its next
write before the last has ended takes number 1 early and makes it visible late: 2 is in the
history by then.

    producer: number 1 (of chunk 1), number 2 (of chunk 2), save and publish 2
    node: subscribe, read 2
    producer: save and publish 1        left out: not above 2
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
from chunk7.delivery.life import ProducerLife
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_multi import atomic_multi
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def high_water_mark(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    highest = max((chunk.seq for chunk in history), default=join.after_seq)
    yield Release(known=frozenset(range(1, highest + 1)))
    yield SendWelcome()


MUTANT = Mutant(
    connect=high_water_mark,
    write=atomic_multi,
    sound=(buffered_merge, atomic_multi),
    fails=Failure.LOSSY,
    chunks=2,
    life=ProducerLife(overlap=2),
    shortest=schedule(
        """
        producer next_seq 1
        producer next_seq 2
        producer save_and_publish 2
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer save_and_publish 1
        node1 deliver 1
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
