"""A client that has asked a question is shown the answer to its last one first.

The session's history holds all its messages. A client that wants this message on is to be sent
what is of this message; the node sends what is stored. Nothing is lost, nothing comes twice.

    producer: save and publish 1 and 2, the first message, and 3, the second
    node: subscribe, read       for the second message; the history has 1, 2 and 3
"""

from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import Confirmed, ReadHistory, Release, SendHistory, Sink, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def replays_the_last_answer(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))


@connect_ordering()
def from_this_answer_on(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    wanted = [place for place, c in enumerate(history) if c.message_id == join.message_id]
    yield SendHistory(history[wanted[0] :] if wanted else ())
    yield Release(known=frozenset(chunk.seq for chunk in history))


MUTANT = Mutant(
    connect=replays_the_last_answer,
    write=atomic_lua,
    sound=(from_this_answer_on, atomic_lua),
    fails=Failure.FOREIGN,
    contract=Contract.FROM_MESSAGE,
    chunks=3,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        producer number_save_and_publish 3
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        """
    ),
)
