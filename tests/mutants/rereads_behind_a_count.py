"""History is read before the subscription and again after it, from as many chunks on as there
were.

Right as long as every number is in the history once. A producer that repeats a command whose
reply it has not heard saves one twice: then two chunks are there, and the highest number is 1.

    producer: number 1, save 1, (no reply) save 1 again
    node: read: two chunks, send them
    producer: publish 1, number 2, save 2, publish 2
    node: subscribe, read what comes after 2
"""

from chunk7.delivery.effects import Confirmed, ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.life import ProducerLife, Retry
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.producer.write.save_then_publish import save_then_publish
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def rereads_behind_a_count(join: Join) -> ConnectSteps:
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Subscribe()
    yield Confirmed()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq + len(history))))
    yield SendWelcome()


@connect_ordering()
def rereads_behind_a_number(join: Join) -> ConnectSteps:
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Subscribe()
    yield Confirmed()
    highest = max((chunk.seq for chunk in history), default=join.after_seq)
    yield SendHistory((yield ReadHistory(after_seq=highest)))
    yield SendWelcome()


MUTANT = Mutant(
    connect=rereads_behind_a_count,
    write=save_then_publish,
    sound=(rereads_behind_a_number, save_then_publish),
    fails=Failure.LOSSY,
    chunks=2,
    faults=("producer_timeout",),
    life=ProducerLife(retry=Retry.SAME),
    shortest=schedule(
        """
        producer next_seq 1
        producer timeout_executed 1
        producer save 1
        node1.join1 read_history
        producer publish 1
        producer next_seq 2
        producer save 2
        producer publish 2
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
