"""The producer dies between any two of its commands: for good, or another begins all over.

For good: what it had under way has no known outcome, and what it had not begun is never written.
The other one has forgotten what was written: it writes every chunk again, under new numbers. One
that remembers, and leaves out the chunk under way, is `producer_timeout`.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Die, Situation, StartOver, Strike, Wording, producers_of


class ProducerCrash:
    """See above."""

    name = "producer_crash"
    effects: ClassVar = {
        "producer_crash": Wording("the producer dies, and nobody goes on", "DIES"),
        "producer_restart": Wording(
            "the producer dies, and another begins with the first chunk: it has forgotten the rest",
            "DIES, another BEGINS AGAIN",
        ),
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each producer that still has something to write."""
        for writer, producer in producers_of(situation):
            yield Strike(producer, "producer_crash", None, (Die(writer),))
            yield Strike(producer, "producer_restart", None, (StartOver(writer),))
