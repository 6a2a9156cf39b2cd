"""What a gap-filling client fetches in virtual time, beat by beat."""

import math
from collections.abc import Sequence
from operator import itemgetter

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import ReadHistory, ReadStream
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.ordering import Feed
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.effects import Effects
from chunk7.simulator.virtual.lives import Life, Session
from chunk7.simulator.virtual.population import MAX_BEATS
from chunk7.simulator.virtual.receipts import Range

_KNOWN = 100_000
"""Answers that are remembered: most clients ask for a chunk or two."""


class Fetching:
    """The fetches of clients; heartbeats are `beat_ms` apart."""

    def __init__(self, feed: Feed, effects: Effects, beat_ms: float) -> None:
        self._feed = feed
        self._effects = effects
        self._beat_ms = beat_ms
        self._known: dict[tuple[int | None, int, int, int], Sequence[Chunk]] = {}

    def turn_to(self, session: Session) -> None:
        """From now on clients are of this session."""
        self._session = session

    def fill(self, life: Life, missing: list[Range]) -> int:
        """Fetch what is missing as soon as the client can know; how many chunks that brings."""
        if life.welcome_ms is None or life.history_ms is None:
            return 0
        fetched = [fetch for begin, end in missing for fetch in self._fetches(life, begin, end)]
        life.writes = sorted([*life.writes, *fetched], key=itemgetter(0))
        return sum(end - begin for _, ranges in fetched for begin, end in ranges)

    def _fetches(self, life: Life, begin: int, end: int) -> list[tuple[float, list[Range]]]:
        """The answers to the fetches for one hole: (instant, chunks).

        One fetch when the hole is noticed, and one after each heartbeat while it lasts.
        """
        session, beat_ms = self._session, self._beat_ms
        assert life.welcome_ms is not None
        numbered = session.number_ms[begin] if begin < len(session.number_ms) else math.inf
        beat = (
            max(1, math.ceil((numbered - life.welcome_ms) / beat_ms)) if numbered < math.inf else 1
        )
        at_ms = life.welcome_ms + beat * beat_ms
        if end < len(session.arrive_ms):
            at_ms = min(at_ms, max(session.arrive_ms[end], life.attached_ms or 0.0))
        if life.head is not None and life.head > begin:
            at_ms = min(at_ms, life.welcome_ms)
        at_ms = max(at_ms, life.history_ms or 0.0)
        answers: list[tuple[float, list[Range]]] = []
        for _ in range(MAX_BEATS):
            executed, replied = self._effects.command(life, at_ms)
            if replied >= life.end_ms:
                break
            found = self._fetched(executed, begin, end)
            if found:
                answers.append((replied, session.ranges(found)))
                begin += len(found)
            if begin >= end or executed > (session.save_ms[-1] if session.save_ms else 0.0):
                break
            beats = math.floor((replied - life.welcome_ms) / beat_ms) + 1
            at_ms = life.welcome_ms + beats * beat_ms
        return answers

    def _fetched(self, executed: float, begin: int, end: int) -> Sequence[Chunk]:
        """What a fetch of the chunks begin..end, by index, is answered when it is executed."""
        session = self._session
        stored = session.stored(executed)
        name = (session.alike, begin, end, stored)
        if name not in self._known:
            if len(self._known) > _KNOWN:
                self._known.clear()
            steps = Steps(fetch_missing(self._feed, begin + 1, end))
            read = steps.effect
            assert isinstance(read, ReadStream | ReadHistory)
            steps.advance(session.answer(read, stored))
            self._known[name] = steps.effect.chunks
        return self._known[name]
