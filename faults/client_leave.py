"""A client leaves for good; as the last one of its node it ends the node's subscription.

Its UNSUBSCRIBE may cross the SUBSCRIBE of the next who joins there. Live, a share of the users
leaves at one instant, and others go on to join.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Leave, Situation, Strike, Wording
from chunk7.faults.live import LiveTerms
from chunk7.wire.parameters import Parameter


class ClientLeave:
    """See above."""

    name = "client_leave"
    terms = LiveTerms(
        settings={
            "share": Parameter(low=0, high=1, what="of the users", option="share", default=0.5)
        },
    )
    effects: ClassVar = {"leave": Wording("a client leaves for good", "LEAVES")}
    moves_client = False
    rejoins_client = False
    leaves_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Whoever has begun to join, if there are others."""
        for place, client in enumerate(situation.clients):
            if client.begun and len(situation.clients) > 1:
                actor = f"node{client.node + 1}.join{place + 1}"
                yield Strike(actor, "leave", None, (Leave(place),))
