"""Subscribe into a buffer, read, send, release what history did not have, then go straight.

The idea is that of Centrifuge's recovery synchronisation. Guarantee: with a producer that saves
before, or together with, publishing, nothing is lost, nothing is doubled, all is in order, and
the client need not do a thing, not even when it comes back with an `after_seq`: the node leaves
out what it has. With one that publishes first it loses as option 1 does:

    producer: publish 1         -> 0 receivers
    node: subscribe, read       (history still empty)
    producer: save 1            too late for this client
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


@connect_ordering()
def buffered_merge(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    yield Pause()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()
