"""All nodes' subscriptions hear nothing any more, in one event, and nobody tells the nodes.

As `deaf_node`, of which it is the shape that a channel's slot has when it moves, or a bus between
stores when it breaks: no node is left that hears what the others miss.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Deafen, Situation, Strike, Wording
from chunk7.faults.live import Controls, LiveTerms, Need, Value


class DeafAllNodes:
    """See above."""

    name = "deaf_all_nodes"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.LINK}))
    effects: ClassVar = {
        "deaf_all": Wording(
            "every node's subscription ends, and none of them notices", "DEAFENS every node"
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Whenever somebody listens."""
        nodes = sorted({client.node for client in situation.clients if client.listening})
        if nodes:
            yield Strike("store", "deaf_all", None, tuple(map(Deafen, nodes)))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        nodes = tuple(controls.nodes)
        for node in nodes:
            await controls.set_link(node, deaf=True)
        yield "nodes"
        for node in nodes:
            await controls.set_link(node, deaf=False)
