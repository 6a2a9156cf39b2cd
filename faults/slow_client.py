"""A node closes a client's connection, because its outbox is full. The client joins again.

It joins at the next node, as behind a round robin. The node gives up its subscription when the
client was the last that used it.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Consequence, Disconnect, Rejoin, Situation, Strike, Wording
from chunk7.faults.live import LiveTerms
from chunk7.wire.parameters import Parameter


class SlowClient:
    """See above."""

    name = "slow_client"
    terms = LiveTerms(
        lasts_ms=1_000,
        settings={
            "share": Parameter(low=0, high=1, what="of the users", option="share", default=0.2)
        },
    )
    effects: ClassVar = {
        "slow_client": Wording(
            "the node closes the connection; the client goes to the next node",
            "CLOSES the slow client",
        )
    }
    moves_client = True
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each client whose join has begun."""
        for place, client in enumerate(situation.clients):
            if not client.begun:
                continue
            others = situation.clients[:place] + situation.clients[place + 1 :]
            shared = any(other.node == client.node and other.listening for other in others)
            consequences: list[Consequence] = [Rejoin(place, client.node + 1)]
            if not shared:
                consequences.append(Disconnect(client.node))
            actor = f"node{client.node + 1}.join{place + 1}"
            yield Strike(actor, "slow_client", None, tuple(consequences))
