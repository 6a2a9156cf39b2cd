"""Option 3 of the bug report: the buggy order, and a client that notices and asks.

Guarantee: every saved chunk arrives in the end, because the welcome and each heartbeat carry the
head sequence number: the client sees a hole, even at the tail, and fetches it. The price is a
round trip per hole, disorder (the fetched chunk comes after later ones) and duplicates (what was
fetched may have been on its way).

It has a failing schedule only without the head in heartbeats: a hole at the tail is then silent.

    node: read history          (empty)
    producer: publish and save 1, the last one
    node: subscribe             nothing that comes later reveals 1
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
from chunk7.delivery.ordering import ClientPolicy, ConnectSteps, Join, connect_ordering


@connect_ordering(client=ClientPolicy.FILLS_GAPS)
def sequence_gap_fill(join: Join) -> ConnectSteps:
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield Pause()
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome(head_seq=(yield ReadHead()))
