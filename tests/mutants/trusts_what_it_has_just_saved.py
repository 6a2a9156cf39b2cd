"""The producer saves the answer once more at its end, but for what it has saved just now.

So keys that expire while a model thinks cost nobody anything: what is gone is back in the end. The
last chunk is left out, as it has only just been saved. But a producer may stand still behind that,
too, for longer than the keys live; nothing brings that chunk back.

    producer: save 1          stands still, and the keys expire
    producer: publish 1       -> 0 receivers; saves the others again, of which there are none
    node: subscribe, read     (empty)
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, NumberSaveAndPublish, Publish, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history
from mutants.mutant import Failure, Mutant, schedule


def saves_all(chunks: tuple[Chunk, ...]) -> WriteSteps:
    for chunk in chunks:
        yield NumberSaveAndPublish(chunk)


def saves_the_others(chunks: tuple[Chunk, ...]) -> WriteSteps:
    yield from saves_all(chunks[:-1])


@write_ordering(ending=saves_all)
def saves_all_once_more(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Publish(chunk)


@write_ordering(ending=saves_the_others)
def trusts_what_it_has_just_saved(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Publish(chunk)


MUTANT = Mutant(
    connect=subscribe_then_history,
    write=trusts_what_it_has_just_saved,
    sound=(subscribe_then_history, saves_all_once_more),
    faults=("expire",),
    fails=Failure.LOSSY,
    only=True,
    shortest=schedule(
        """
        producer next_seq 1
        producer save 1
        node1.join1 subscribe
        store expire
        producer publish 1
        store subscription
        node1.join1 confirmed
        node1.join1 read_history
        node1.join1 send_history
        node1.join1 send_welcome
        """
    ),
)
