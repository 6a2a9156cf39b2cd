"""The store ends and starts again without persistence: data, counters, subscriptions are gone.

It has forgotten what it had acknowledged: no ordering can give that to a client that comes later.
Its counters begin at 1 again, so who goes by numbers takes new chunks for old ones.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Forget, Situation, Strike, Wording, all_cut_off


class StoreRestartEmpty:
    """See above."""

    name = "store_restart_empty"
    effects: ClassVar = {
        "store_restart_empty": Wording(
            "the store restarts empty: data, counters and subscriptions are gone",
            "RESTARTS empty",
        )
    }
    moves_client = False
    rejoins_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        yield Strike("store", "store_restart_empty", None, (Forget(), *all_cut_off(situation)))
