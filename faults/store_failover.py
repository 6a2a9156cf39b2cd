"""The primary dies and a replica is promoted, which lacks what had not reached it (`lag_ms`)."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value
from chunk7.wire.parameters import Parameter


class StoreFailover:
    """See above."""

    name = "store_failover"
    terms = LiveTerms(
        settings={
            "down_ms": Parameter(
                low=0, high=60_000, what="until it is promoted", option="down_ms", default=500.0
            ),
            "lag_ms": Parameter(
                low=0,
                high=10_000,
                what="how far the replica is behind",
                option="lag_ms",
                default=100.0,
            ),
        },
        needs=frozenset({Need.STORE, Need.LINK, Need.REPLICA}),
    )

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.fail_over(float(values["down_ms"]))
        yield "store"
        await controls.restore_replica()
