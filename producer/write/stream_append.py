"""XADD: the stream is history and live feed in one, so there is nothing to order.

Guarantee: an entry is either in the stream or not; a reader with a cursor misses none, unless
MAXLEN trims entries it has not read yet.
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import Append, NextSeq
from chunk7.delivery.ordering import Feed, WriteSteps, write_ordering


@write_ordering(feed=Feed.STREAM)
def stream_append(chunk: Chunk) -> WriteSteps:
    chunk = chunk.numbered((yield NextSeq()))
    yield Append(chunk)
