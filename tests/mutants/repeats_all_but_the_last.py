"""Each chunk is published twice, so that one that was popped in vain is there once more.

Clients of a node take turns to pop what has come for all of them. Who leaves in its turn takes one
message along, never two; clients leave out what they have. But the last chunk goes out once: behind
the end, it was thought, nobody waits for anything.

    node: subscribe, read for client 1       (empty)
    producer: save and publish 1, the last
    node: client 2 subscribes, pops it for both, and leaves
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NumberSaveAndPublish, Publish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from mutants.mutant import Failure, Mutant, schedule


@write_ordering()
def repeats_all(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)
    yield Publish(chunk)


@write_ordering()
def repeats_all_but_the_last(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)
    if not chunk.final:
        yield Publish(chunk)


MUTANT = Mutant(
    connect=subscribe_then_history,
    write=repeats_all_but_the_last,
    sound=(subscribe_then_history, repeats_all),
    joiners=2,
    faults=("client_leave_popping",),
    fails=Failure.LOSSY,
    only=True,
    shortest=schedule(
        """
        node1.join1 subscribe
        store subscription
        node1 confirmation
        node1.join1 confirmed
        node1.join1 read_history
        producer number_save_and_publish 1
        node1.join1 send_history
        node1.join1 send_welcome
        node1.join2 subscribe
        node1.join2 leave_popping
        """
    ),
)
