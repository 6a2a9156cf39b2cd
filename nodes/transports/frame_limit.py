"""How many frames a client may send: pings and empty fragments cost a node as much as questions.

A message's size is bounded before this (`connection.MAX_MESSAGE_BYTES`), and questions wait for
each other; but a control frame is answered, and a fragment kept, as soon as it is read.
"""

MAX_FRAMES_S = 100.0
"""Of every kind, in the long run. A client that fills gaps asks once for each that it sees."""
BURST_FRAMES = 500.0


class FrameAllowance:
    """Frames that a connection may still send; it grows with time."""

    __slots__ = ("_counted_at_s", "_left")

    def __init__(self, now_s: float) -> None:
        self._left = BURST_FRAMES
        self._counted_at_s = now_s

    def take(self, now_s: float) -> bool:
        """One more has come; whether it was allowed."""
        gained = (now_s - self._counted_at_s) * MAX_FRAMES_S
        self._left = min(BURST_FRAMES, self._left + gained) - 1
        self._counted_at_s = now_s
        return self._left >= 0
