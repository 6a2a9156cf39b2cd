"""One of the session's keys is gone: history, stream or counter; the others and subscriptions stay.

So does a store evict that is full, key by key, and so end times to live that were set at different
moments.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.delivery.store import Key
from chunk7.faults.fault import Forget, Situation, Strike, Wording


class EvictKey:
    """See above."""

    name = "evict_key"
    effects: ClassVar = {
        f"evict_{key}": Wording(f"the session's {key} is gone", f"EVICTS the {key}") for key in Key
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        for key in Key:
            yield Strike("store", f"evict_{key}", None, (Forget(key),))
