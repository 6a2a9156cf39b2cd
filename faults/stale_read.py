"""A node's reads go to a replica that lags behind (`lag_ms`), its subscriptions do not."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value, node_of
from chunk7.wire.parameters import Parameter


class StaleRead:
    """See above."""

    name = "stale_read"
    terms = LiveTerms(
        lasts_ms=1_000,
        settings={
            "lag_ms": Parameter(
                low=0,
                high=10_000,
                what="how far the replica is behind",
                option="lag_ms",
                default=100.0,
            )
        },
        needs=frozenset({Need.STORE, Need.LINK, Need.REPLICA}),
    )

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        node = node_of(controls, draw)
        await controls.set_link(node, stale=True)
        yield node
        await controls.set_link(node, stale=False)
