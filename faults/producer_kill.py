"""The producer dies, between its commands or under one, and another goes on with the next chunk.

The chunk under way has no known outcome: its next command was executed or it was not, and nobody is
left who could say. Schedule for schedule that is a time-out (`chunk7.faults.same_as`).
"""

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
