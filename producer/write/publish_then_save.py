"""The bug report's producer (its T2 and T3): publish, then save.

Guarantee: none. Between the two a chunk is in nobody's hands: too late for who subscribes now,
not yet there for who reads now. No connect ordering that reads the history once can mend that.

    producer: publish 1         -> 0 receivers
    node: subscribe, read       (history still empty)
    producer: save 1
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, Pause, Publish, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering


@write_ordering()
def publish_then_save(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Publish(chunk)
    yield Pause()
    yield Save(chunk)
