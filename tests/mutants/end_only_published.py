"""The end is published and kept nowhere: who comes later waits for it for ever.

Chunks are in the history, so nothing is lost; a spinner turns all the same. A page that is opened
again after the answer was complete shows all of it, and never that it is complete.

    producer: save and publish 1, publish the end   -> 0 receivers
    node: subscribe, read                           the history has 1, and no end
"""

from chunk7.delivery.chunk import Chunk, End
from chunk7.delivery.effects import NextSeq, NumberSaveAndPublish, Publish
from chunk7.delivery.ordering import WriteSteps, write_ordering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from mutants.mutant import Failure, Mutant, schedule


def publish_end(chunks: tuple[Chunk, ...]) -> WriteSteps:
    yield Publish(End(chunks[-1].session_id).numbered((yield NextSeq())))


def save_end(chunks: tuple[Chunk, ...]) -> WriteSteps:
    yield NumberSaveAndPublish(End(chunks[-1].session_id))


@write_ordering(ending=publish_end)
def end_only_published(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)


@write_ordering(ending=save_end)
def end_saved(chunk: Chunk) -> WriteSteps:
    yield NumberSaveAndPublish(chunk)


MUTANT = Mutant(
    connect=buffered_merge,
    write=end_only_published,
    sound=(buffered_merge, end_saved),
    fails=Failure.UNFINISHED,
    shortest=schedule(
        """
        producer number_save_and_publish 1
        producer next_seq
        producer publish_end
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
