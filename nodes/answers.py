"""What a client may ask for once it has joined, as effects: the join's driver runs them too."""

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
        return fetch_missing(feed, frame.from_seq, frame.to_seq)
    if not 0 <= frame.after_seq <= MAX_SEQ:
        raise UsageError(f"resume: want 0 <= after_seq <= {MAX_SEQ}")
    return fetch_missing(feed, frame.after_seq + 1, None)
