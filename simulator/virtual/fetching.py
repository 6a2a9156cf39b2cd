"""What a gap-filling client fetches in virtual time, beat by beat."""

import math
from collections.abc import Sequence

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import ReadStream
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.delivery.stepping import Steps
from chunk7.simulator.virtual.effects import Effects
from chunk7.simulator.virtual.lives import Life, VirtualClient, WatcherGroup
from chunk7.simulator.virtual.population import MAX_BEATS
from chunk7.simulator.virtual.receipts import Range


class Fetching:
    """The fetches of a group's clients; heartbeats are `beat_ms` apart."""

    def __init__(
        self, connect: ConnectOrdering, effects: Effects, group: WatcherGroup, beat_ms: float
    ) -> None:
        self._connect = connect
        self._effects = effects
        self._group = group
        self._beat_ms = beat_ms

    def fill(self, client: VirtualClient, missing: list[Range]) -> int:
        """Fetch what is missing as soon as the client can know; how many chunks that brings."""
        life = client.lives[-1]
        if life.welcome_ms is None or life.history_ms() is None:
            return 0
        fetched = [fetch for begin, end in missing for fetch in self._fetches(life, begin, end)]
        life.writes = sorted([*life.writes, *fetched], key=lambda write: write[0])
        return sum(end - begin for _, ranges in fetched for begin, end in ranges)

    def _fetches(self, life: Life, begin: int, end: int) -> list[tuple[float, list[Range]]]:
        """The answers to the fetches for one hole: (instant, chunks).

        One fetch when the hole is noticed, and one after each heartbeat while it lasts.
        """
        session, beat_ms = self._group.session, self._beat_ms
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
        at_ms = max(at_ms, life.history_ms() or 0.0)
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
        steps = Steps(fetch_missing(self._connect.feed, begin + 1, end))
        read = steps.effect
        if isinstance(read, ReadStream):
            steps.advance(self._group.session.stream(executed, read.after))
        else:
            steps.advance(self._group.session.history(executed, read.after_seq, read.to_seq))
        chunks: Sequence[Chunk] = steps.effect.chunks
        return chunks
