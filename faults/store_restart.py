"""The store ends and is started again, with what it held (`persist=yes`) or empty."""

from collections.abc import AsyncGenerator, Mapping

from chunk7.faults.live import Controls, LiveTerms, Need, Value, WordChoice


class StoreRestart:
    """See above."""

    name = "store_restart"
    terms = LiveTerms(
        settings={"persist": WordChoice(("yes", "no"), "whether it comes back with what it held")},
        needs=frozenset({Need.STORE}),
    )

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.restart_store(keep=values["persist"] == "yes")
        yield "store"
