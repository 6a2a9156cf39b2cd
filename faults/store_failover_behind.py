"""A replica is promoted that lacks the last writes, or one whose clock is behind as well.

Their numbers are given out again, one by one. With the clock behind so are the ids of entries of a
stream: a reader's position is past what is appended next.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import (
    MAX_ROLL_BACK,
    RollBack,
    Situation,
    Strike,
    Wording,
    all_cut_off,
)


class StoreFailoverBehind:
    """See above; `store_failover` lacks one write, and its clock is right."""

    name = "store_failover_behind"
    effects: ClassVar = {
        **{
            f"failover_{writes}_behind": Wording(
                f"a replica takes over that lacks the last {writes} writes; subscriptions are gone",
                f"FAILS OVER, without the last {writes} writes",
            )
            for writes in range(2, MAX_ROLL_BACK + 1)
        },
        "failover_clock_behind": Wording(
            "a replica takes over that lacks the last write, with a clock from before it; "
            "subscriptions are gone",
            "FAILS OVER, without the last write, its clock behind",
        ),
    }
    moves_client = False
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        cut = all_cut_off(situation)
        for writes in range(2, MAX_ROLL_BACK + 1):
            yield Strike("store", f"failover_{writes}_behind", None, (RollBack(writes), *cut))
        behind = RollBack(clock_behind=True)
        yield Strike("store", "failover_clock_behind", None, (behind, *cut))
