"""`buffered_merge` by a node that keeps each client's position, and checks it ever after.

The idea is that of Centrifuge's positioning and recovery. It joins as `buffered_merge` does. Later
the node knows the last number that it sent the client, and recovers what lies between (subscribe,
confirmed, read, send, release) in three cases: its subscription was lost and is back; a live chunk
is not the next number; a heartbeat finds the session's head past the position though the channel
was mute. Guarantee: everything that is saved arrives, whatever the producer does first, and also
after a lost subscription, on a node gone deaf, and behind a stale read. The client need not do a
thing. With a producer that saves before, or together with, publishing all is in order, but for
what a stale read left out, which comes late.

The price is a number to decode for each live chunk, and a read for each client left behind. What
the store has lost, it loses: trimmed, evicted, rolled back.
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
from chunk7.delivery.recovery import recover


@connect_ordering(recovery=recover)
def positioned_merge(join: Join) -> ConnectSteps:
    yield Subscribe(to=Sink.BUFFER)
    yield Confirmed()
    yield Pause()
    history = yield ReadHistory(after_seq=join.after_seq)
    yield SendHistory(history)
    yield Release(known=frozenset(chunk.seq for chunk in history))
    yield SendWelcome()
