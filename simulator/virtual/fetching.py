"""What a gap-filling client fetches in virtual time, beat by beat."""

import math
from bisect import bisect_right
from operator import itemgetter

from chunk7.delivery.effects import ReadHistory, ReadStream
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.ordering import Feed
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.effects import Effects
from chunk7.simulator.virtual.lives import Life, Session
from chunk7.simulator.virtual.population import MAX_BEATS
from chunk7.simulator.virtual.receipts import Range


class Fetching:
    """The fetches of clients; heartbeats are `beat_ms` apart."""

    def __init__(self, feed: Feed, effects: Effects, beat_ms: float) -> None:
        self._feed = feed
        self._effects = effects
        self._beat_ms = beat_ms

    def turn_to(self, session: Session) -> None:
        """From now on clients are of this session."""
        self._session = session

    def fill(self, life: Life, missing: list[Range]) -> int:
        """Fetch what is missing as soon as the client can know; how many chunks that brings."""
        if life.welcome_ms is None or life.history_ms is None:
            return 0
        fetched = 0
        for begin, end in missing:
            fetched += self._fetch(life, life.welcome_ms, begin, end)
        life.writes.sort(key=itemgetter(0))
        return fetched

    def _fetch(self, life: Life, welcome_ms: float, begin: int, end: int) -> int:
        """Write the answers to the fetches for one hole; how many chunks they have.

        One fetch when the hole is noticed, and one after each heartbeat while it lasts.
        """
        session, beat_ms = self._session, self._beat_ms
        at_ms = self._noticed(life, welcome_ms, begin, end)
        fetched = 0
        for _ in range(MAX_BEATS):
            executed, replied = self._effects.durations.command(life, at_ms)
            if replied >= life.end_ms:
                break
            ranges, count = self._fetched(executed, begin + fetched, end)
            if count:
                life.writes.append((replied, ranges))
                fetched += count
            if begin + fetched >= end or executed > (session.save_ms[-1] if session.save_ms else 0):
                break
            at_ms = welcome_ms + (math.floor((replied - welcome_ms) / beat_ms) + 1) * beat_ms
        return fetched

    def _noticed(self, life: Life, welcome_ms: float, begin: int, end: int) -> float:
        """When the client knows of the hole: by the welcome's head, the next chunk, or a beat."""
        session, beat_ms = self._session, self._beat_ms
        if life.head is not None and life.head > begin:
            at_ms = welcome_ms
        else:
            numbers = session.number_ms
            since_ms = numbers[begin] - welcome_ms if begin < len(numbers) else 0.0
            at_ms = welcome_ms + max(1, math.ceil(since_ms / beat_ms)) * beat_ms
        if end < len(session.arrive_ms):
            here_ms = max(session.arrive_ms[end], life.attached_ms or 0.0)
            if here_ms < at_ms:
                at_ms = here_ms
        history_ms = life.history_ms or 0.0
        return at_ms if at_ms > history_ms else history_ms

    def _fetched(self, executed: float, begin: int, end: int) -> tuple[list[Range], int]:
        """What a fetch of the chunks begin..end, by index, brings, executed then; and how many."""
        session = self._session
        if session.regular:  # places are numbers: what `fetch_missing` finds is a slice
            stop = bisect_right(session.save_ms, executed, begin, end)
            return [(begin, stop)], stop - begin
        steps = Steps(fetch_missing(self._feed, begin + 1, end))
        read = steps.effect
        assert isinstance(read, ReadStream | ReadHistory)
        steps.advance(session.answer(read, session.stored(executed)))
        chunks = steps.effect.chunks
        return session.ranges(chunks), len(chunks)
