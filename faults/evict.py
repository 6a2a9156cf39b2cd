"""The store is full and evicts the session's keys; subscriptions stay."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import Forget, Situation, Strike, Wording
from chunk7.faults.live import Controls, LiveTerms, Need, Value
from chunk7.wire.plan import NOBODY


class Evict:
    """See above."""

    name = "evict"
    terms = LiveTerms(needs=frozenset({Need.STORE}))
    effects: ClassVar = {
        "evict": Wording(
            "the session's history, stream and counter are gone", "EVICTS the session's keys"
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        yield Strike("store", "evict", None, (Forget(),))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        before = await _evicted(controls)
        await controls.store("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await controls.store("CONFIG", "SET", "maxmemory", 1)
        await controls.store("CONFIG", "SET", "maxmemory", 0)
        yield "store" if await _evicted(controls) > before else NOBODY


async def _evicted(controls: Controls) -> int:
    text: bytes = await controls.store("INFO", "stats")
    return int(text.split(b"evicted_keys:")[1].split()[0])
