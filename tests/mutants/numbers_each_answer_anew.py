"""A client that fills gaps, and a producer that begins the session's keys anew with each answer.

Who joins late does not find the answer before. Who joined early is worse off: numbers begin at 1
again, it has a 1 already, and leaves the new answer out. So *every* schedule loses something.

    producer: begin, number, save and publish 1, 2
    producer: begin, number, save and publish 3       as number 1; 1 and 2 are gone
    node: read, subscribe
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Begin, NumberSaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.sequence_gap_fill import sequence_gap_fill
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def numbers_each_answer_anew(chunk: Chunk) -> WriteSteps:
    if chunk.index == 0:
        yield Begin()
    yield NumberSaveAndPublish(chunk)


MUTANT = Mutant(
    connect=sequence_gap_fill,
    write=numbers_each_answer_anew,
    sound=(sequence_gap_fill, atomic_lua),
    fails=Failure.LOSSY,
    chunks=3,
    shortest=schedule(
        """
        producer begin 1
        producer number_save_and_publish 1
        producer number_save_and_publish 2
        producer begin 3
        producer number_save_and_publish 3
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 subscribe
        store subscription
        node1.join1 confirmed
        node1.join1 read_head
        node1.join1 send_welcome
        node1.join1 heartbeat
        """
    ),
)
