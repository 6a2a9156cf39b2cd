"""Notices what is published past the node's clients, from the heads that each heartbeat reads.

The producer sees a PUBLISH with 0 receivers but not whether anybody waits for it; a node has the
clients but does not see what passes it by. A head that moves while the channel stays mute tells.
"""

from collections.abc import Callable, Iterable


class Unheard:
    """Compares three heartbeats a session, so that a chunk has at least one beat's time to come.

    `heard(session_id)` counts the live messages of a session's channel, None where there is none;
    `count(chunks)` is called with what was numbered between the first two beats of the three, if
    none came in all that time.
    """

    def __init__(self, heard: Callable[[str], int | None], count: Callable[[int], None]) -> None:
        self._heard = heard
        self._count = count
        self._beats: dict[str, tuple[int, ...]] = {}
        self._before: dict[str, tuple[int, ...]] = {}
        """Head and messages of a beat, then of the next: flat, for there are thousands."""

    def begin(self) -> None:
        """A new round of heartbeats: sessions that had none in the last one are forgotten."""
        self._before, self._beats = self._beats, {}

    def beat(self, heads: Iterable[tuple[str, int]]) -> None:
        """Sessions whose heads were read just now; of a round, each counts once."""
        for session_id, head_seq in heads:
            heard = self._heard(session_id)
            if heard is None or session_id in self._beats:
                continue
            beats = (*self._before.get(session_id, ())[-4:], head_seq, heard)
            self._beats[session_id] = beats
            if len(beats) == 6 and beats[1] == heard:
                self._count(max(0, beats[2] - beats[0]))

    def forget(self) -> None:
        """Begin anew: the store was away, which is told otherwise."""
        self._before.clear()
        self._beats.clear()
