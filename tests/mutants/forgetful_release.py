"""buffered_merge that merges into the buffer, but not against the history.

`known` was left empty: "the client can de-duplicate". This client was told that it need not.

    node: subscribe             chunk 1 comes into the buffer
    node: read 1, send 1, release 1
"""

from chunk7.delivery.effects import (
    Confirmed,
    Pause,
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
def forgetful_release(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    yield Pause()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield Release(known=frozenset())
    yield SendWelcome()


MUTANT = Mutant(
    connect=forgetful_release,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.DUPLICATING,
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        producer number_save_and_publish 1
        node1 deliver 1
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
