"""What a node notes of a join while it runs."""

from collections.abc import Sequence

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.ordering import Feed
from chunk7.wire.clock import now_ns


class JoinFacts:
    """What is noted of a join, as columns of the records' `joins`; None: it did not happen.

    Read and history columns are those of the last read and of the last history frame.
    """

    def __init__(self) -> None:
        self.read_sent_ns: int | None = None
        self.read_done_ns: int | None = None
        self.history_count: int | None = None
        self.history_first_seq: int | None = None
        self.history_last_seq: int | None = None
        self.subscribe_sent_ns: int | None = None
        self.subscribe_done_ns: int | None = None
        self.subscribe_shared: bool | None = None
        self.welcomed_ns: int | None = None

    def note_history(self, chunks: Sequence[Chunk]) -> None:
        """A history frame is about to be sent."""
        self.history_count = len(chunks)
        self.history_first_seq = chunks[0].seq if chunks else None
        self.history_last_seq = chunks[-1].seq if chunks else None

    def note_subscribe(self, sent_ns: int, *, shared: bool) -> None:
        """SUBSCRIBE was sent then. One that is shared is in effect: it took effect on attaching."""
        self.subscribe_shared = shared
        self.subscribe_sent_ns = now_ns() if shared else sent_ns

    def window_s(self, subscribed_ns: int | None, feed: Feed) -> float | None:
        """The join's W as docs/verdicts.md estimates it; None while one of its ends is not known.

        A stream that is read on from its cursor has no window: 0.
        """
        if self.read_sent_ns is None or self.read_done_ns is None:
            return None
        if self.subscribe_sent_ns is None:
            return 0.0 if feed is Feed.STREAM else None
        if subscribed_ns is None:
            return None
        read_ns = (self.read_sent_ns + self.read_done_ns) / 2
        window_ns = (self.subscribe_sent_ns + subscribed_ns) / 2 - read_ns
        if self.subscribe_shared:  # what comes at the attaching was published that much earlier
            window_ns -= (self.read_done_ns - self.read_sent_ns) / 2
        return window_ns / 1e9
