"""A relay node dies. Its clients connect to the next node and join there.

What was on the way to the client is lost with the node, which is no schedule of its own: to the
client it is the same as a crash before it was sent.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Outage, Situation, Strike, Wording, abandoned, nodes_of
from chunk7.faults.live import Controls, LiveTerms, Value, node_of


class NodeKill:
    """See above."""

    name = "node_kill"
    terms = LiveTerms(lasts_ms=1_000)
    effects: ClassVar = {
        "node_crash": Wording("the node dies; its clients go to the next one", "DIES")
    }
    moves_client = True
    rejoins_client = True
    outage = Outage.NODE

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node that has begun to serve somebody."""
        for node in nodes_of(situation):
            yield Strike(f"node{node + 1}", "node_crash", None, abandoned(situation, node))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.kill(node)
        yield node
        await controls.start(node)
