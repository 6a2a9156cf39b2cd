"""The reply to one of the producer's commands never comes; it gives the chunk up and goes on.

The command was executed or it was not, and the producer cannot know. The shipped producers do
not try again. So the chunk has no known outcome and does not count as lost if nobody gets it;
later chunks do.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import LoseReply, Situation, Strike, Wording


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
        for writer, producer, chunk, may_share_ms, _ in situation.writes:
            for effect, executed, same_ms in _WAYS:
                if may_share_ms or not same_ms:
                    lost = LoseReply(writer, chunk, executed, same_ms)
                    yield Strike(producer, effect, chunk, (lost,))


_WAYS = (
    ("timeout_not_executed", False, False),
    ("timeout_executed", True, False),
    ("timeout_executed_same_ms", True, True),
)
