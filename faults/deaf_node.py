"""A node's subscriptions hear nothing, and nothing tells it: pings are answered."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value, node_of


class DeafNode:
    """See above."""

    name = "deaf_node"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.LINK}))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.set_link(node, deaf=True)
        yield node
        await controls.set_link(node, deaf=False)
