"""A node loses the store and finds it again: subscriptions and what was on the way are gone.

The node sends its SUBSCRIBE again; until the store executes that, it hears nothing. It tells its
clients that a gap is possible, and repairs nothing by itself: clients that fill gaps learn of the
hole from a later chunk or heartbeat. Joins under way fail, and their clients join again. A stream
is followed on from the same cursor, and a fetch is repeated, so neither shows.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Disconnect, Outage, Rejoin, Situation, Strike, Wording


class StoreKillPubsub:
    """See above."""

    name = "store_kill_pubsub"
    effects: ClassVar = {
        "store_reconnect": Wording(
            "the node's subscriptions and what was on the way to it are gone",
            "LOSES THE STORE, reconnects",
        )
    }
    moves_client = False
    rejoins_client = True
    outage = Outage.SUBSCRIPTION

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node that has a join under way or somebody who listens."""
        for node in sorted({client.node for client in situation.clients}):
            here = {p: client for p, client in enumerate(situation.clients) if client.node == node}
            joining = {
                place for place, client in here.items() if client.begun and not client.joined
            }
            listening = any(c.listening for place, c in here.items() if place not in joining)
            if joining or listening:
                rejoins = [Rejoin(place, node) for place in sorted(joining)]
                loss = Disconnect(node, resubscribes=listening)
                yield Strike(f"node{node + 1}", "store_reconnect", None, (*rejoins, loss))
