"""The producer counts in its own memory, and is restarted between two messages.

The second message begins with number 1 again, and whoever merges or de-duplicates by number
takes it for a chunk that it has.

    producer: save and publish m1/0 as 1, m1/1 as 2, m2/0 as 1
    node: joins in between, has 1, drops the second 1
"""

from dataclasses import replace

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import SaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def reset_sequence_after_restart(chunk: Chunk) -> WriteSteps:
    yield SaveAndPublish(replace(chunk, seq=chunk.index + 1))


MUTANT = Mutant(
    connect=buffered_merge,
    write=reset_sequence_after_restart,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.LOSSY,
    chunks=3,
    shortest=schedule(
        """
        producer save_and_publish 1
        producer save_and_publish 2
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer save_and_publish 3
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        node1 deliver 3
        """
    ),
)
