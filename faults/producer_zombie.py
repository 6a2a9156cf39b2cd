"""A producer is taken for dead and is not: another begins all over while it still writes.

A lock that ran out, a queue that delivers a job again. The first one notices when it turns to its
next chunk, and ends: until then it does what it has under way, at any later moment.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Situation, StartOver, Strike, Wording, producers_of


class ProducerZombie:
    """See above."""

    name = "producer_zombie"
    effects: ClassVar = {
        "producer_zombie": Wording(
            "the producer is taken for dead, and another begins with the first chunk; the old one, "
            "from now on the zombie, still does what it has under way",
            "TAKEN FOR DEAD, another BEGINS AGAIN",
        ),
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each producer that still has something to write."""
        for writer, producer in producers_of(situation):
            outlived = StartOver(writer, zombie=True)
            yield Strike(producer, "producer_zombie", None, (outlived,))
