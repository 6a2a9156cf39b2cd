"""The bug: read, send, subscribe.

Guarantee: none. What is published between the read and the subscription is lost for good.

Shortest failing schedule, under every write ordering:

    node: read history          (empty)
    producer: publish and save 1   -> 0 receivers
    node: subscribe             too late for 1
"""

from chunk7.delivery.effects import (
    Confirmed,
    Pause,
    ReadHistory,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering


@connect_ordering()
def history_then_subscribe(join: Join) -> ConnectSteps:
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield Pause()
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()
