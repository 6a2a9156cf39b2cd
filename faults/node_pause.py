"""A node stands still: its host stalls, or its process does not get the processor.

Its clients' connections stay open. What is published meanwhile waits in the store's buffer for the
node, and goes out when it wakes: late, and in order.
"""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value, node_of


class NodePause:
    """See above."""

    name = "node_pause"
    terms = LiveTerms(lasts_ms=1_000)

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.pause(node)
        yield node
        await controls.resume(node)
