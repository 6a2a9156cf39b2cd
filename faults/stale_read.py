"""A node's next read comes from a replica that is behind, by one chunk at most."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Lag, Situation, Strike, Wording
from chunk7.faults.live import LAG_MS, Controls, LiveTerms, Need, Value, node_of


class StaleRead:
    """See above."""

    name = "stale_read"
    terms = LiveTerms(
        lasts_ms=1_000,
        settings={"lag_ms": LAG_MS},
        needs=frozenset({Need.STORE, Need.LINK, Need.REPLICA}),
    )
    effects: ClassVar = {
        "stale_read": Wording(
            "the next read of a join or fetch at the node is answered as of now",
            "WILL READ what is there now",
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node, while something is being written that its read can lack."""
        if not situation.writes:
            return
        for node in sorted({client.node for client in situation.clients}):
            yield Strike(f"node{node + 1}", "stale_read", None, (Lag(node),))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.set_link(node, stale=True)
        yield node
        await controls.set_link(node, stale=False)
