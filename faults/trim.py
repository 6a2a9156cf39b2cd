"""Somebody trims history and stream down to their newest entry."""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Situation, Strike, TrimTo, Wording

KEEP = 1


class Trim:
    """See above."""

    name = "trim"
    effects: ClassVar = {
        "trim": Wording("only the newest entries of history and stream stay", "TRIM to the newest")
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """At any moment."""
        yield Strike("store", "trim", None, (TrimTo(KEEP),))
