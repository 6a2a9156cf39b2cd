"""The store stands still for a while: a fork for a snapshot, a slow script, a swapping host."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value


class StorePause:
    """See above."""

    name = "store_pause"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.STORE}))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.pause("store")
        yield "store"
        await controls.resume("store")
