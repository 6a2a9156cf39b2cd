"""The producers number a chunk by its place in the answer, and the node merges by the highest
number.

Right as long as one producer writes the answer from its beginning: number and time are one order.
With two, chunk 2 may be there before chunk 1. The store's counter, in the script that saves,
keeps them one.

    producer2: save and publish chunk 2 as 2
    node: subscribe, read 2
    producer: save and publish chunk 1 as 1     left out: not above 2
"""

from dataclasses import replace

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import SaveAndPublish
from chunk7.delivery.life import ProducerLife
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.high_water_mark import high_water_mark
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def numbers_by_place(chunk: Chunk) -> WriteSteps:
    message = int(chunk.message_id.removeprefix("m"))
    yield SaveAndPublish(replace(chunk, seq=2 * (message - 1) + chunk.index + 1))


MUTANT = Mutant(
    connect=high_water_mark,
    write=numbers_by_place,
    sound=(high_water_mark, atomic_lua),
    fails=Failure.LOSSY,
    chunks=2,
    life=ProducerLife(writers=2),
    shortest=schedule(
        """
        producer2 save_and_publish 2
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        producer save_and_publish 1
        node1 deliver 1
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
