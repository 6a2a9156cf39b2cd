"""A client that resumes after "where I resumed, and all that I have had since".

It counts the chunks of its whole life, not of the connection. Coming back once it is right: it had
resumed after 0. Coming back again it counts those of its first connection twice, and asks for what
comes after chunks that it never had. Only a fault that strikes twice shows it.

    first connection: has 1; second: resumes after 1, has nothing new; third: resumes after 2
"""

from collections.abc import Hashable
from typing import Any

from chunk7.delivery.client import Taken
from chunk7.delivery.clients.deduplicates import Deduplicates
from chunk7.delivery.frames import Frame, StoredFrame
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


class AddsUpWhereItWas(Deduplicates):
    """Remembers where it resumed, and how many chunks it has shown."""

    def start(self) -> Hashable:
        return super().start(), 0, 0

    def take(self, memory: Any, frame: Frame) -> Taken:
        identities, resumed, had = memory
        if isinstance(frame, StoredFrame):  # a connection's first
            resumed += had
        identities, shown = super().take(identities, frame)
        return (identities, resumed, had + len(shown)), shown

    def resume_after(self, memory: Any) -> int:
        return int(memory[1]) + int(memory[2])


MUTANT = Mutant(
    connect=buffered_merge,
    write=atomic_lua,
    sound=(buffered_merge, atomic_lua),
    client=AddsUpWhereItWas(),
    faults=("node_kill", "node_kill"),
    fails=Failure.LOSSY,
    chunks=2,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1 node_crash
        node2.join1 subscribe
        store subscription
        node2.join1 confirmed
        node2.join1 read_history
        producer number_save_and_publish 2
        node2.join1 send_history
        node2 node_crash
        node3.join1 subscribe
        store subscription
        node3.join1 confirmed
        node3.join1 read_history
        node3.join1 send_history
        node3.join1 release
        node3.join1 send_welcome
        """
    ),
)
