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
    }
    moves_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """While a chunk is being written."""
        if situation.writing is not None:
            for effect, executed in (("timeout_not_executed", False), ("timeout_executed", True)):
                yield Strike("producer", effect, situation.writing, (GiveUp(executed),))
