"""How far a node has sent a session to a client: what it takes to see a hole and to mend it.

The idea is that of Centrifuge's channel positions. Who knows the last number sent sees a hole in
front of a later one, and at the tail when the session's head is further on.
"""

from collections.abc import Iterable
from typing import NamedTuple

MAX_MISSING = 1_000
"""Numbers that are remembered as missing, the newest: what is not there now will hardly come."""


class Position(NamedTuple):
    """Every number up to `top` was sent, but for those in `missing`. A hashable value."""

    top: int = 0
    missing: frozenset[int] = frozenset()

    @property
    def gapless(self) -> int:
        """The number up to which everything was sent: where a read for the rest begins."""
        return min(self.missing, default=self.top + 1) - 1

    def lacks(self, seq: int) -> bool:
        """Whether the number is still to be sent."""
        return seq > self.top or seq in self.missing

    def behind(self, head_seq: int) -> bool:
        """Whether something up to the session's head was not sent, or belongs to another count."""
        return head_seq != self.top or bool(self.missing)

    def sent(self, seqs: Iterable[int]) -> "Position":
        """The position once these, too, are sent. Numbers that they skip are missing."""
        new = frozenset(seqs) - {0}
        if not new:
            return self
        top = max(self.top, *new)
        skipped = range(max(self.top + 1, top - MAX_MISSING), top)
        missing = self.missing.union(skipped) - new
        return Position(top, frozenset(sorted(missing)[-MAX_MISSING:]))
