"""Read the head first, "so that history and live part cannot overlap", and read up to it.

They cannot overlap. They can be apart: what is written between the head and the subscription is
above the one and before the other.

    node: read head -> 0
    producer: save and publish 1   -> 0 receivers
    node: subscribe, read history up to 0
"""

from chunk7.delivery.effects import (
    Confirmed,
    Pause,
    ReadHead,
    ReadHistory,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering()
def history_up_to_an_old_head(join: Join) -> ConnectSteps:
    head = yield ReadHead()
    yield Pause()
    yield Subscribe()
    yield Confirmed()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq, to_seq=head)))
    yield SendWelcome()


MUTANT = Mutant(
    connect=history_up_to_an_old_head,
    write=atomic_lua,
    sound=(subscribe_then_history, atomic_lua),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        node1.join1 read_head
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
