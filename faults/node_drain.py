"""A relay node is sent home: a rolling deploy. It closes its clients' connections in good order.

They get what it has written, and join at the next node. What the store has not handed to the node
yet it does not wait for, and a join under way is broken off. So to the order of events it is a
death that loses nothing which was sent; a client that the closing does not reach in time is cut.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Outage, Situation, Strike, Wording, abandoned, nodes_of
from chunk7.faults.live import Controls, LiveTerms, Value


class NodeDrain:
    """See above."""

    name = "node_drain"
    terms = LiveTerms()
    effects: ClassVar = {
        "node_drain": Wording("the node drains; its clients go to the next one", "DRAINS")
    }
    moves_client = True
    rejoins_client = True
    outage = Outage.NODE

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node that has begun to serve somebody."""
        for node in nodes_of(situation):
            yield Strike(f"node{node + 1}", "node_drain", None, abandoned(situation, node))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        yield "nodes"
        for node in list(controls.nodes):
            await controls.stop(node)
            yield await controls.start(node)
