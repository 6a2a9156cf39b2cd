"""Option 3 with a client that asks for a hole twice, in case a read was stale, and no more.

Stale is one read; a replica that lags is behind for as long as it likes, and answers nothing each
time. A client has to ask as long as it knows of a hole.

    node: subscribe at the primary, read history at the replica      (nothing)
    producer: number, save and publish 1 -> 1 receiver, 2 -> 1 receiver
    client: gets 2, fetches 1                       (nothing), twice
    replica: saves 1
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.fills_gaps import FillsGaps
from chunk7.delivery.frames import Frame
from chunk7.delivery.replica import Replica
from chunk7.nodes.connect.sequence_gap_fill import sequence_gap_fill
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule

TRIES = 2


class AsksTwice(FillsGaps):
    """Remembers up to where it has asked, and how often."""

    def start(self) -> Hashable:
        return super().start(), 0, 0

    def take(self, memory: Any, frame: Frame) -> Taken:
        tracker, shown = super().take(memory[0], frame)
        return (tracker, *memory[1:]), shown

    def ask(self, memory: Any) -> tuple[Hashable, tuple[int, int] | None]:
        tracker, wanted = super().ask(memory[0])
        _, asked, tries = memory
        if wanted is None or (wanted[1] <= asked and tries >= TRIES):
            return (tracker, asked, tries), None
        return (tracker, wanted[1], tries + 1 if wanted[1] <= asked else 1), wanted

    def misses(self, memory: Any) -> bool:
        return super().misses(memory[0])

    def resume_after(self, memory: Any) -> int:
        return super().resume_after(memory[0])


MUTANT = Mutant(
    connect=sequence_gap_fill,
    write=atomic_lua,
    sound=(sequence_gap_fill, atomic_lua),
    client=AsksTwice(),
    fails=Failure.LOSSY,
    chunks=2,
    replica=Replica.HISTORY,
    only=True,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        producer number_save_and_publish 2
        node1 deliver 2
        node1.join1 confirmed
        node1.join1 read_head
        node1.join1 send_welcome
        node1.join1 fetch
        node1.join1 fetched
        node1.join1 fetch
        store replicate 1
        store replicate 2
        node1.join1 fetched
        node1.join1 heartbeat
        node1.join1 heartbeat
        """
    ),
)
