"""The network between a node and the store is cut: nothing passes, and nobody is told.

The connections stay open, as TCP's do; what was sent meanwhile arrives at the end, unless one side
has given the connection up by then.
"""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value, node_of


class NetworkCut:
    """See above."""

    name = "network_cut"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.LINK}))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.set_link(node, cut=True)
        yield node
        await controls.set_link(node, cut=False)
