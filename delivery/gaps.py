"""The client's half of `sequence_gap_fill`: see a hole, ask for it, do not ask twice.

Pure: sequence numbers in, ranges to fetch out. The load test's user, the explorer (through
`delivery.client`), the reproducer and the simulator run this same class.
"""

Snapshot = tuple[int, int, int, frozenset[int], str | None]
"""`next_seq`, `head_seq`, asked up to, received above `next_seq`, `epoch`."""


class GapTracker:
    """Which sequence numbers a client still misses.

    `next_seq` is the lowest number not yet received. Numbers above it that have come are kept
    until the run closes up, so memory is bounded by what is out of order. `head_seq` is the
    highest number the client has any evidence of: received, or told by welcome or heartbeat.
    All of it is true of one `epoch`, None while nobody has told it: in another the same numbers are
    other chunks.
    """

    __slots__ = ("_ahead", "_asked_to", "epoch", "head_seq", "next_seq")

    def __init__(self, after_seq: int = 0, epoch: str | None = None) -> None:
        self.epoch = epoch
        self.next_seq = after_seq + 1
        self.head_seq = after_seq
        self._ahead: set[int] = set()
        self._asked_to = after_seq

    def snapshot(self) -> Snapshot:
        """What the tracker knows, as a value; `restored` makes a tracker of it again."""
        return self.next_seq, self.head_seq, self._asked_to, frozenset(self._ahead), self.epoch

    @classmethod
    def restored(cls, snapshot: Snapshot) -> "GapTracker":
        """A tracker that knows what the snapshot says."""
        tracker = cls()
        tracker.next_seq, tracker.head_seq, tracker._asked_to, ahead, tracker.epoch = snapshot
        tracker._ahead = set(ahead)
        return tracker

    @property
    def resume_after(self) -> int:
        """The number up to which everything has come: where a new connection goes on."""
        return self.next_seq - 1

    def receive(self, seq: int) -> bool:
        """Note a received number; whether it is new (false: a duplicate)."""
        if seq == self.next_seq and not self._ahead:  # nearly always
            self.next_seq = seq + 1
            if seq > self.head_seq:
                self.head_seq = seq
            return True
        if seq < self.next_seq or seq in self._ahead:
            return False
        self.head_seq = max(self.head_seq, seq)
        self._ahead.add(seq)
        while self.next_seq in self._ahead:
            self._ahead.remove(self.next_seq)
            self.next_seq += 1
        return True

    def learn_head(self, head_seq: int) -> None:
        """A welcome or heartbeat says how far the session is. Allows asking again."""
        self.head_seq = max(self.head_seq, head_seq)
        self._asked_to = self.next_seq - 1

    def learn_epoch(self, epoch: str | None) -> None:
        """A welcome or heartbeat names the epoch; None says nothing.

        If it is not ours the numbers have begun again: all that we knew is of other chunks, and
        everything from 1 is wanted.
        """
        if epoch is None or epoch == self.epoch:
            return
        if self.epoch is not None:
            self.next_seq, self.head_seq, self._asked_to, self._ahead = 1, 0, 0, set()
        self.epoch = epoch

    def missing(self) -> tuple[int, int] | None:
        """The first hole as an inclusive range, or None while there is none."""
        if self.next_seq > self.head_seq:
            return None
        return self.next_seq, min(self._ahead, default=self.head_seq + 1) - 1

    def missing_count(self) -> int:
        """How many numbers up to `head_seq` have not come, over all holes."""
        return self.head_seq - self.next_seq + 1 - len(self._ahead)

    def wanted(self) -> tuple[int, int] | None:
        """The range to fetch now, or None; each hole is asked for once per heartbeat.

        The first hole that has not been asked for: one that cannot be filled (a number was taken
        and its chunk never written) hides none behind it.
        """
        first = max(self.next_seq, self._asked_to + 1)
        while first in self._ahead:
            first += 1
        if first > self.head_seq:
            return None
        above = (seq for seq in self._ahead if seq > first)
        self._asked_to = min(above, default=self.head_seq + 1) - 1
        return first, self._asked_to
