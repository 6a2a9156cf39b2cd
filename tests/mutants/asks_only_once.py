"""Option 3 with a client that asks for a hole once and then considers it dealt with.

The producer publishes before it saves, so the first fetch can come too early: the answer is
empty, and nobody asks again.

    producer: publish 1         -> 0 receivers
    node: read, subscribe, welcome with head 1
    client: fetch 1             (history still empty)
    producer: save 1
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.frames import Frame
from chunk7.nodes.connect.sequence_gap_fill import sequence_gap_fill
from chunk7.producer.write.publish_then_save import publish_then_save
from mutants.mutant import Failure, Mutant, schedule


class AsksOnce(FillsGaps):
    """Remembers how far it has ever asked, whatever came of it."""

    def start(self) -> Hashable:
        return super().start(), 0

    def take(self, memory: Any, frame: Frame) -> Taken:
        tracker, shown = super().take(memory[0], frame)
        return (tracker, memory[1]), shown

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        tracker, wanted = super().ask(memory[0])
        if wanted is None or wanted[1] <= memory[1]:
            return (tracker, memory[1]), None
        return (tracker, wanted[1]), wanted

    def misses(self, memory: Any) -> bool:
        return super().misses(memory[0])

    def resume_after(self, memory: Any) -> int:
        return super().resume_after(memory[0])


MUTANT = Mutant(
    connect=sequence_gap_fill,
    write=publish_then_save,
    sound=(sequence_gap_fill, publish_then_save),
    client=AsksOnce(),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        producer publish 1
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_head
        node1.join1 send_welcome
        node1.join1 fetch
        producer save 1
        node1.join1 fetched
        node1.join1 heartbeat
        node1.join1 heartbeat
        """
    ),
)
