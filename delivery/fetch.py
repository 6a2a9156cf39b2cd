"""What a node does when a client asks for what it misses: effects, so every driver can run it.

What a write ordering has put where depends on its feed: the history list, or the stream.
"""

from chunk7.delivery.effects import ReadHistory, ReadStream, SendHistory
from chunk7.delivery.ordering import ConnectSteps, Feed


def fetch_missing(feed: Feed, from_seq: int, to_seq: int | None) -> ConnectSteps:
    """Answer with what the store holds of from_seq..to_seq, both inclusive; None: to the newest.

    What is not saved yet is simply not in the answer: the client asks again at the next
    heartbeat that still shows the gap. A stream is not ordered by number, so all of it is read.
    """
    if feed is Feed.STREAM:
        chunks = (yield ReadStream()).chunks
        high = to_seq or max((chunk.seq for chunk in chunks), default=0)
        yield SendHistory(tuple(chunk for chunk in chunks if from_seq <= chunk.seq <= high))
    else:
        yield SendHistory((yield ReadHistory(after_seq=from_seq - 1, to_seq=to_seq)))
