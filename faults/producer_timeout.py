"""The reply to one of the producer's commands never comes; it gives the chunk up and goes on.

The command was executed or it was not, and the producer cannot know. The shipped producers do
not try again. So the chunk has no known outcome and does not count as lost if nobody gets it;
later chunks do.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import GiveUp, Situation, Strike, Wording


class ProducerTimeout:
    """See above."""

    name = "producer_timeout"
    effects: ClassVar = {
        "timeout_not_executed": Wording(
            "the command never arrived, the producer gives the chunk up",
            "TIME-OUT on {chunk} (not executed)",
        ),
        "timeout_executed": Wording(
            "the store did it, its reply is lost, the producer gives the chunk up",
            "TIME-OUT on {chunk} (executed)",
        ),
        "timeout_executed_same_ms": Wording(
            "the same, of an append in the millisecond of the last",
            "TIME-OUT on {chunk} (executed in the same ms)",
        ),
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """While a chunk is being written."""
        chunk = situation.writing
        if chunk is None:
            return
        yield Strike("producer", "timeout_not_executed", chunk, (GiveUp(executed=False),))
        yield Strike("producer", "timeout_executed", chunk, (GiveUp(executed=True),))
        if situation.may_share_ms:
            same_ms = GiveUp(executed=True, same_ms=True)
            yield Strike("producer", "timeout_executed_same_ms", chunk, (same_ms,))
