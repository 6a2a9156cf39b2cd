"""Option 1 and a client that connects again "after the highest number I have".

Subscribe-first delivers live chunks before the history. If the node dies in between, the client
has 2 and not 1, and asks for what comes after 2.

    node: subscribe, deliver 2   and dies before it sends the history
    client: joins again with after_seq 2
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.frames import Frame, chunks_in
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


class ResumesFromTheNewest(Deduplicates):
    """Remembers the highest number it was given."""

    def start(self) -> Hashable:
        return super().start(), 0

    def take(self, memory: Any, frame: Frame) -> Taken:
        identities, shown = super().take(memory[0], frame)
        return (identities, max([memory[1], *(chunk.seq for chunk in chunks_in(frame))])), shown

    def resume_after(self, memory: Any) -> int:
        return int(memory[1])


MUTANT = Mutant(
    connect=subscribe_then_history,
    write=atomic_lua,
    sound=(subscribe_then_history, atomic_lua),
    client=ResumesFromTheNewest(),
    faults=("node_kill",),
    fails=Failure.LOSSY,
    chunks=2,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        producer number_save_and_publish 2
        node1 deliver 2
        node1 node_crash
        node2.join1 subscribe
        store subscription
        node2.join1 confirmed
        node2.join1 read_history
        node2.join1 send_history
        node2.join1 send_welcome
        """
    ),
)
