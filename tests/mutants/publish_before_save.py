"""The best connect ordering there is, and a "harmless" change of the producer.

The Lua script was replaced by a pipeline "for readability", live chunks first "for latency".
Nothing a node does can mend that.

    producer: publish 1         -> 0 receivers
    node: subscribe, read       (history still empty)
    producer: save 1
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, Pause, Publish, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def publish_before_save(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Publish(chunk)
    yield Pause()
    yield Save(chunk)


MUTANT = Mutant(
    connect=buffered_merge,
    write=publish_before_save,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.LOSSY,
    shortest=schedule(
        """
        producer next_seq 1
        producer publish 1
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer save 1
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
