"""Nodes read at a replica, so the producer waits for it: after the number, and not after the chunk.

producer: take a number, wait for replicas, save, poke
node: look                  at the replica, which has the number only
store: the replica saves 1
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import AwaitReplicas, NextSeq, Poke, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.delivery.replica import Replica
from chunk7.field_cases.openslides_5290 import looks_at_notices, waits_then_notifies
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def waits_for_replicas_too_early(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield AwaitReplicas()
    yield Save(chunk)
    yield Poke()


MUTANT = Mutant(
    connect=looks_at_notices,
    write=waits_for_replicas_too_early,
    sound=(looks_at_notices, waits_then_notifies),
    fails=Failure.LOSSY,
    replica=Replica.HISTORY,
    only=True,
    shortest=schedule(
        """
        producer next_seq 1
        store replicate 1
        producer await_replicas 1
        producer save 1
        producer poke 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        store replicate 1
        node1.join1 send_history
        node1.join1 look_when_poked
        node1.join1 send_welcome
        """
    ),
)
