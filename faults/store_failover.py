"""A replica is promoted that lacks the last write; subscriptions and what was on the way are gone.

Replication is asynchronous: the write was acknowledged. A number that was taken and forgotten is
given to the next chunk as well.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar

from chunk7.faults.fault import RollBack, Situation, Strike, Wording, all_cut_off
from chunk7.faults.live import LAG_MS, Controls, LiveTerms, Need, Value
from chunk7.wire.parameters import Parameter


class StoreFailover:
    """See above."""

    name = "store_failover"
    terms = LiveTerms(
        settings={
            "down_ms": Parameter(
                low=0, high=60_000, what="until it is promoted", option="down_ms", default=500.0
            ),
            "lag_ms": LAG_MS,
        },
        needs=frozenset({Need.STORE, Need.LINK, Need.REPLICA}),
    )
    effects: ClassVar = {
        "store_failover": Wording(
            "a replica takes over that lacks the last write; subscriptions are gone",
            "FAILS OVER, without the last write",
        )
    }
    moves_client = False
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        yield Strike("store", "store_failover", None, (RollBack(), *all_cut_off(situation)))

    async def live(
        self, controls: Controls, draw: float, values: Mapping[str, Value]
    ) -> AsyncGenerator[str, None]:
        """Strike a running cluster."""
        await controls.fail_over(float(values["down_ms"]))
        yield "store"
        await controls.restore_replica()
