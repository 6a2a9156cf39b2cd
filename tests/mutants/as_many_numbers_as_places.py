"""The client counts: who has n numbers has n places of the answer, so the n-th number is the n-th.

What comes with more numbers than its place allows is taken for a copy of an end that was there.
Numbers that nobody used do not count, nor does a number that comes twice; and an answer that begins
again is known by its first chunk. A producer that hears no reply, and writes the chunk anew under a
new number, has two numbers in one place.

    producer: save and publish 2, hears no reply, save and publish 2    numbers 2 and 3
    producer: save and publish 3                                        the fourth number
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.client import Taken
from chunk7.delivery.clients.takes_all import TakesAll
from chunk7.delivery.frames import Frame, chunks_in
from chunk7.delivery.life import ProducerLife, Retry
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_multi import atomic_multi
from chunk7.simulator.explore.state import CHUNKS_A_MESSAGE
from mutants.mutant import Failure, Mutant, schedule


def place_of(chunk: Chunk) -> int:
    return CHUNKS_A_MESSAGE * (int(chunk.message_id.removeprefix("m")) - 1) + chunk.index


class CountsNumbers(TakesAll):
    """Remembers all numbers, and those of the answer's first chunk."""

    def start(self) -> Hashable:
        return frozenset(), frozenset()

    def take(self, memory: Any, frame: Frame) -> Taken:
        numbers, firsts = memory
        shown = []
        for chunk in chunks_in(frame):
            numbers |= {chunk.seq}
            firsts |= {chunk.seq} if place_of(chunk) == 0 else set()
            if len(numbers) <= place_of(chunk) + 1 or len(firsts) > 1:
                shown.append(chunk)
        return (numbers, firsts), tuple(shown)


MUTANT = Mutant(
    connect=buffered_merge,
    write=atomic_multi,
    sound=(buffered_merge, atomic_multi),
    client=CountsNumbers(),
    fails=Failure.LOSSY,
    chunks=3,
    faults=("producer_timeout",),
    life=ProducerLife(retry=Retry.NEW),
    only=True,
    shortest=schedule(
        """
        producer next_seq 1
        producer save_and_publish 1
        producer next_seq 2
        producer timeout_executed 2
        producer next_seq 2
        producer save_and_publish 2
        producer next_seq 3
        node1.join1 subscribe
        producer save_and_publish 3
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
