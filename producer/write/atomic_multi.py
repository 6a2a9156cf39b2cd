"""MULTI: save and publish as one event, after the number has been taken.

Guarantee: as save_then_publish, with no time between the two. INCR cannot be inside: MULTI queues
its commands, so the transaction could not use the number it takes. Two producers of one session
can therefore save in another order than they numbered; a Lua script cannot (atomic_lua).
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, SaveAndPublish
from chunk7.delivery.ordering import WriteSteps, write_ordering


@write_ordering()
def atomic_multi(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield SaveAndPublish(chunk)
