"""Save, then publish: whoever reads after the publication finds the chunk.

Guarantee: a client that subscribes, and only then reads, misses nothing. It may get a chunk
twice. A client that reads first still loses what is saved and published before it subscribes.
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import NextSeq, Pause, Publish, Save
from chunk7.delivery.ordering import WriteSteps, write_ordering


@write_ordering()
def save_then_publish(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Pause()
    yield Publish(chunk)
