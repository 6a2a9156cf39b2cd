"""Option 1 by somebody whose library returns from `subscribe()` before the server has answered.

The order in the code is right, the order at the store is not. In review it looks like the fix.

    node: send SUBSCRIBE        on its way
    node: read history          (empty)
    producer: save and publish 1   -> 0 receivers
    store: SUBSCRIBE takes effect  too late for 1
"""

from chunk7.delivery.effects import ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.ordering import ClientPolicy, ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering(client=ClientPolicy.DEDUPLICATES)
def unconfirmed_subscribe(join: Join) -> ConnectSteps:
    yield Subscribe()
    yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
    yield SendWelcome()


MUTANT = Mutant(
    connect=unconfirmed_subscribe,
    write=atomic_lua,
    sound=(subscribe_then_history, atomic_lua),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        node1.join1 subscribe
        node1.join1 read_history
        producer number_save_and_publish 1
        store subscription
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
