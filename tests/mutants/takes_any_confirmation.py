"""Option 1 at a node whose hub takes any confirmation for its own.

The last client of a channel leaves while its SUBSCRIBE is still on the way, and another one comes.
SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE are on their way then, and the first confirmation is not for the
one who has come: behind it the store unsubscribes the node once more.

    store: subscribe, unsubscribe
    node: hears of the first, reads the history
    producer: save and publish 1
    store: subscribe
"""

from chunk7.delivery.node_channel import NodeChannel
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


class AnyConfirmation(NodeChannel):
    """Live as soon as any confirmation comes while somebody is there."""

    @property
    def confirmed(self) -> bool:
        return self.live

    def confirm(self) -> NodeChannel:
        return self._replace(unconfirmed=self.unconfirmed - 1, live=self.wanted)


MUTANT = Mutant(
    connect=subscribe_then_history,
    write=atomic_lua,
    sound=(subscribe_then_history, atomic_lua),
    hub=AnyConfirmation(),
    joiners=2,
    faults=("client_leave",),
    fails=Failure.LOSSY,
    only=True,
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        node1.join1 leave
        store unsubscription
        node1.join2 subscribe
        node1 confirmation
        node1.join2 confirmed
        node1.join2 read_history
        producer number_save_and_publish 1
        store subscription
        node1 confirmation
        node1.join2 send_history
        node1.join2 send_welcome
        """
    ),
)
