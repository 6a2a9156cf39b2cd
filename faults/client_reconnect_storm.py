"""Every client loses its connection at once, and joins again at the node after its own."""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Disconnect, Rejoin, Situation, Strike, Wording, nodes_of
from chunk7.faults.live import LiveTerms
from chunk7.wire.parameters import Parameter


class ClientReconnectStorm:
    """See above."""

    name = "client_reconnect_storm"
    terms = LiveTerms(
        settings={
            "share": Parameter(low=0, high=1, what="of the users", option="share", default=1.0)
        },
    )
    effects: ClassVar = {
        "client_reconnect_storm": Wording(
            "all clients lose their connections and go to the next node",
            "ALL CONNECTIONS END",
        )
    }
    moves_client = True
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Once some join has begun: whoever has a connection."""
        nodes = nodes_of(situation)
        rejoins = tuple(
            Rejoin(place, client.node + 1)
            for place, client in enumerate(situation.clients)
            if client.begun
        )
        if rejoins:
            alone = tuple(map(Disconnect, nodes))  # nobody is left to listen
            actor = f"node{nodes[0] + 1}"
            yield Strike(actor, "client_reconnect_storm", None, (*rejoins, *alone))
