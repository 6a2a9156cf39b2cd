"""The store stands still for a while: a fork for a snapshot, a slow script, a swapping host."""

from collections.abc import AsyncIterator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value


class StorePause:
    """See above."""

    name = "store_pause"
    terms = LiveTerms(lasts_ms=1_000, needs=frozenset({Need.STORE}))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncIterator[str]:
        """Strike a running cluster."""
        await controls.pause("store")
        try:
            yield "store"
        finally:
            await controls.resume("store")
