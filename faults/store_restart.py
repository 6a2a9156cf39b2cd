"""The store ends and starts again with all that it held; subscriptions are gone.

Joins under way fail, and their clients join again. The producer goes on between its commands, so a
number that it took counts; a command that the end cut short is `producer_timeout`. Live, this is
`persist=yes`; `store_restart_empty` is `persist=no`.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Situation, Strike, Wording, all_cut_off
from chunk7.faults.live import Controls, LiveTerms, Need, Value, WordChoice


class StoreRestart:
    """See above."""

    name = "store_restart"
    terms = LiveTerms(
        settings={"persist": WordChoice(("yes", "no"), "whether it comes back with what it held")},
        needs=frozenset({Need.STORE}),
    )
    effects: ClassVar = {
        "store_restart": Wording(
            "the store restarts with its data; subscriptions, and what was on the way, are gone",
            "RESTARTS with its data",
        )
    }
    moves_client = False
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Whenever somebody notices."""
        cut = all_cut_off(situation)
        if cut:
            yield Strike("store", "store_restart", None, cut)

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.restart_store(keep=values["persist"] == "yes")
        yield "store"
