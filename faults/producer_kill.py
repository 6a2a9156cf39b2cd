"""The producer dies in the middle of its answers, and goes on where they are when it is back."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Value


class ProducerKill:
    """See above."""

    name = "producer_kill"
    terms = LiveTerms(lasts_ms=500)

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.kill("producer")
        yield "producer"
        await controls.start("producer")
        await controls.resume_timetable()
