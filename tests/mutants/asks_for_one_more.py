"""The node reads once more for what a replica may lack, and asks for the next number only.

"It is behind by a write at most." Mostly; and then by two. What is read again has to be all that
comes after.

    replica: falls behind
    producer: save and publish 1, 2
    node: subscribe, read (nothing), read 1, send 1
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
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


def reads_again(join: Join, most: int | None) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    last = max([join.after_seq, *(chunk.seq for chunk in history)])
    history += yield ReadHistory(after_seq=last, to_seq=None if most is None else last + most)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()


@connect_ordering()
def asks_for_one_more(join: Join) -> ConnectSteps:
    yield from reads_again(join, most=1)


@connect_ordering()
def reads_all_again(join: Join) -> ConnectSteps:
    yield from reads_again(join, most=None)


MUTANT = Mutant(
    connect=asks_for_one_more,
    write=atomic_lua,
    sound=(reads_all_again, atomic_lua),
    fails=Failure.LOSSY,
    chunks=2,
    faults=("stale_read_any",),
    only=True,
    shortest=schedule(
        """
        node1 stale_read_any
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
