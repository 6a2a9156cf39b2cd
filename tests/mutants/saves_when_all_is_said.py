"""Chunks are published as they come, and the answer is stored, and published again, at its end.

So everybody has all of it in the end: if there is one. A producer that dies for good has stored
nothing, and what it published to nobody is nowhere. Who begins again stores all of it, and who
gives a chunk up stores the rest.

    producer: publish 1         -> 0 receivers; dies with chunk 2 under way
    node: subscribe, read       (nothing)
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NumberSaveAndPublish, Publish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.producer.write.atomic_lua import atomic_lua
from mutants.mutant import Failure, Mutant, schedule


def save_all(chunks: tuple[Chunk, ...]) -> WriteSteps:
    for chunk in chunks:
        yield NumberSaveAndPublish(chunk)


@write_ordering(ending=save_all)
def saves_when_all_is_said(chunk: Chunk) -> WriteSteps:
    yield Publish(chunk)


MUTANT = Mutant(
    connect=buffered_merge,
    write=saves_when_all_is_said,
    sound=(buffered_merge, atomic_lua),
    fails=Failure.LOSSY,
    chunks=2,
    faults=("producer_crash",),
    only=True,
    shortest=schedule(
        """
        producer publish 1
        node1.join1 subscribe
        producer producer_crash
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 release
        node1.join1 send_welcome
        """
    ),
)
