"""A producer that tidies up: with its last chunk written, the answer's keys are cleared.

Whoever is subscribed has it all. Who joins then, or joins again, finds an answer that never was.

    producer: take a number, save and publish 1    -> 0 receivers
    producer: clear
    node: subscribe, read       (empty)
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Clear, NextSeq, SaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_multi import atomic_multi
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def clears_at_the_end(chunk: Chunk) -> WriteSteps:
    yield SaveAndPublish(chunk.numbered((yield NextSeq())))
    if chunk.final:
        yield Clear()


MUTANT = Mutant(
    connect=buffered_merge,
    write=clears_at_the_end,
    sound=(buffered_merge, atomic_multi),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        producer save_and_publish 1
        producer clear 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
