"""A node's subscription hears nothing any more, and nobody tells the node.

It was confirmed, and counts as such: who joins there shares it. Only the next SUBSCRIBE mends it.
Such are a proxy that keeps a dead connection open, and a channel whose slot has moved.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Deafen, Outage, Situation, Strike, Wording
from chunk7.faults.live import Controls, LiveTerms, Need, Value, node_of


class DeafNode:
    """See above."""

    name = "deaf_node"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.LINK}))
    effects: ClassVar = {
        "deaf_node": Wording("the node's subscription ends, and it does not notice", "GOES DEAF")
    }
    moves_client = False
    rejoins_client = False
    outage = Outage.SUBSCRIPTION

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node where somebody listens."""
        for node in sorted({client.node for client in situation.clients if client.listening}):
            yield Strike(f"node{node + 1}", "deaf_node", None, (Deafen(node),))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.set_link(node, deaf=True)
        yield node
        await controls.set_link(node, deaf=False)
