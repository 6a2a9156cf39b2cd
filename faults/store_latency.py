"""The way to the store becomes long: every byte is that much later, in each direction."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value
from chunk7.wire.parameters import Parameter


class StoreLatency:
    """See above."""

    name = "store_latency"
    terms = LiveTerms(
        lasts_ms=1_000,
        settings={
            "ms": Parameter(low=0, high=10_000, what="delay each way", option="ms", default=50.0)
        },
        needs=frozenset({Need.DELAY}),
    )

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.set_latency(float(values["ms"]))
        yield "store"
        await controls.set_latency(None)
