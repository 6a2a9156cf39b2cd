"""buffered_merge with two lines swapped: the buffer is opened before the history is sent.

Nothing is lost and nothing is doubled, so tests that compare sets are green. The reader sees the
end of the answer before its beginning.

    node: subscribe, read 1     chunk 2 comes into the buffer
    node: release 2, send 1
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
def released_before_the_history(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield Pause()
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendHistory(history)
    yield SendWelcome()


MUTANT = Mutant(
    connect=released_before_the_history,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.OUT_OF_ORDER,
    chunks=2,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer number_save_and_publish 2
        node1 deliver 2
        node1.join1 release
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
