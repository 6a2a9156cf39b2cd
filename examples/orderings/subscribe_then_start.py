"""Subscribe, and only then have the answer begin: who asks the question misses none of it.

Nothing is written before the join that asks for it, so there is no history to read, and any
producer will do, also one that never saves. It holds for this client and this join only. Whoever
comes later, or again after its node died, has no history to read:

    node: subscribe, start
    producer: number, save and publish 1
    node: crashes               1 was on its way
    node: subscribe, start      on the next node: it has begun long ago
"""

from chunk7.delivery.effects import Confirmed, SendWelcome, Start, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering


@connect_ordering()
def subscribe_then_start(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield Confirmed()
    yield Start()
    yield SendWelcome()
