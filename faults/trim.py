"""Somebody trims history and stream down to their newest entry."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Situation, Strike, TrimTo, Wording
from chunk7.faults.live import Controls, LiveTerms, Need, Value, keys_of

KEEP = 1


class Trim:
    """See above."""

    name = "trim"
    terms = LiveTerms(needs=frozenset({Need.STORE}))
    effects: ClassVar = {
        "trim": Wording("only the newest entries of history and stream stay", "TRIM to the newest")
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        yield Strike("store", "trim", None, (TrimTo(KEEP),))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        for kind, command in (
            ("list", ("LTRIM", -KEEP, -1)),
            ("stream", ("XTRIM", "MAXLEN", KEEP)),
        ):
            name, *arguments = command
            for key in await keys_of(controls, "TYPE", kind):
                await controls.store(name, key, *arguments)
        yield "store"
