"""Option 1 of the bug report: subscribe, wait for the confirmation, read, send.

Guarantee: nothing is lost if the producer saves before, or together with, publishing. The price
is duplicates (a chunk both live and in the history) and disorder (live before history), so the
client must de-duplicate on (message_id, index).

Shortest failing schedule, with a producer that publishes before it saves:

    producer: publish 1         -> 0 receivers
    node: subscribe, read       (history still empty)
    producer: save 1            too late for this client
"""

from chunk7.delivery.effects import (
    Confirmed,
    Pause,
    ReadHistory,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import ClientPolicy, ConnectSteps, Join, connect_ordering


@connect_ordering(client=ClientPolicy.DEDUPLICATES)
def subscribe_then_history(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    yield Pause()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()
