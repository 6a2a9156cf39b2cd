"""One key for all answers of a session: each begins by clearing what the last has left.

    producer: clear             before the first chunk of each message
    producer: take a number, save and publish

Numbers go on (`Clear`, not `Begin`), so a client cannot take the new answer's chunks for those that
it has. Within one answer it loses nothing with whoever subscribes first; the answer before it is
gone for who joins later, which is meant. A join across the border gets what it has buffered of the
old answer behind the new one's first chunks.
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Clear, NextSeq, SaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering


@write_ordering()
def clears_before_an_answer(chunk: Chunk) -> WriteSteps:
    if chunk.index == 0:
        yield Clear()
    yield SaveAndPublish(chunk.numbered((yield NextSeq())))
