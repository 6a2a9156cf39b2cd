"""What a node does for a client that it has left behind: effects, so every driver can run it.

It is done when the node's subscription was lost and sent again, when a live chunk is not the next
one, and when a heartbeat shows that the session is further on than the client. From that moment
live chunks are held; the release sends them behind what was read. As in `buffered_merge`, the read
must come after the confirmation:

    node: read history after 1     (nothing there)
    producer: save 2, publish 2    -> 0 receivers
    store: executes SUBSCRIBE      too late for 2
"""

from chunk7.delivery.effects import Confirmed, ReadHistory, Release, SendHistory
from chunk7.delivery.ordering import ConnectSteps
from chunk7.delivery.position import Position


def recover(position: Position) -> ConnectSteps:
    """Send what the history has and the client lacks, then what was held."""
    yield Confirmed()
    history = yield ReadHistory(after_seq=position.gapless)
    found = tuple(chunk for chunk in history if position.lacks(chunk.seq))
    if found:
        yield SendHistory(found)
    yield Release(known=frozenset(chunk.seq for chunk in found))
