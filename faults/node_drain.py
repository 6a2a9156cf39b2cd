"""A rolling deploy: one node after the other ends in order, sends its clients on, and is new."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value


class NodeDrain:
    """See above."""

    name = "node_drain"
    terms = LiveTerms()

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        yield "nodes"
        for node in list(controls.nodes):
            await controls.stop(node)
            await controls.start(node)
