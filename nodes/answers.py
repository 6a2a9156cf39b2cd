"""What a client may ask for once it has joined, as effects: the join's driver runs them too."""

from chunk7.delivery.effects import ReadHistory, ReadStream, SendHistory
from chunk7.delivery.errors import UsageError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.ordering import ConnectSteps, Feed
from chunk7.nodes.request import MAX_SEQ
from chunk7.wire.frames import ClientFrame, FetchFrame

MAX_FETCH = 10_000
"""Chunks that one fetch may ask for."""


def answer(frame: ClientFrame, feed: Feed) -> ConnectSteps:
    """The steps that answer a client's frame. Raises UsageError for numbers out of bounds."""
    if isinstance(frame, FetchFrame):
        if not 1 <= frame.from_seq <= frame.to_seq <= MAX_SEQ:
            raise UsageError(f"fetch: want 1 <= from_seq <= to_seq <= {MAX_SEQ}")
        if frame.to_seq - frame.from_seq >= MAX_FETCH:
            raise UsageError(f"fetch: more than {MAX_FETCH} chunks at once")
        if feed is Feed.STREAM:
            return _from_stream(frame.from_seq - 1, frame.to_seq)
        return fetch_missing(frame.from_seq, frame.to_seq)
    if not 0 <= frame.after_seq <= MAX_SEQ:
        raise UsageError(f"resume: want 0 <= after_seq <= {MAX_SEQ}")
    if feed is Feed.STREAM:
        return _from_stream(frame.after_seq, MAX_SEQ)
    return _from_history(frame.after_seq)


def _from_history(after_seq: int) -> ConnectSteps:
    yield SendHistory((yield ReadHistory(after_seq=after_seq)))


def _from_stream(after_seq: int, to_seq: int) -> ConnectSteps:
    read = yield ReadStream()
    yield SendHistory(tuple(chunk for chunk in read.chunks if after_seq < chunk.seq <= to_seq))
