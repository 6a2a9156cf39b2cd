"""A node loses the store and finds it again: subscriptions and what was on the way are gone.

The node sends its SUBSCRIBE again; until the store executes that, it hears nothing. It tells its
clients that a gap is possible, and repairs nothing by itself, unless its connect ordering has a
recovery: clients that fill gaps learn of the hole from a later chunk or heartbeat. Joins under way
fail, and their clients join again. A stream is followed on from the same cursor, and a fetch is
repeated, so neither shows.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Outage, Situation, Strike, Wording, cut_off
from chunk7.faults.live import Controls, LiveTerms, Need, Value
from chunk7.wire.plan import NOBODY


class StoreKillPubsub:
    """See above."""

    name = "store_kill_pubsub"
    terms = LiveTerms(needs=frozenset({Need.STORE}))
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
            consequences = cut_off(situation, node)
            if consequences:
                yield Strike(f"node{node + 1}", "store_reconnect", None, consequences)

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        yield "store" if await controls.store("CLIENT", "KILL", "TYPE", "pubsub") else NOBODY
