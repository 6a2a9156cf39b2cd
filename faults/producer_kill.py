"""The producer dies in the middle of its answers, and goes on where they are when it is back."""

from collections.abc import AsyncIterator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value


class ProducerKill:
    """See above."""

    name = "producer_kill"
    terms = LiveTerms(lasts_ms=500)

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncIterator[str]:
        """Strike a running cluster."""
        await controls.kill("producer")
        try:
            yield "producer"
        finally:
            await controls.start("producer")
            await controls.resume_timetable()
