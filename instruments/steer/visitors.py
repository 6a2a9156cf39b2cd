"""The clients of one try, and what each of them has in the end of what it was owed."""

import asyncio
from collections.abc import Sequence

from chunk7.instruments.steer.judging import JudgedVisit, judge
from chunk7.instruments.steer.outcome import Try
from chunk7.instruments.steer.systems import BASE, Answers
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import TargetVisit

ANSWERED_WITHIN_S = 2.0
AFTER, AFTER_S = 40, 0.05
"""At most so many chunks, and so far apart, show after those of the schedule that the client is
being served."""


class Visitors:
    """`chunks` of the answers are under test; one that is missing is waited for `settle_s`."""

    def __init__(self, answers: Answers, chunks: int, settle_s: float) -> None:
        self.answers = answers
        self.visits: list[TargetVisit] = []
        self.had: tuple[Sighting, ...] = ()
        """What a client that comes back has from before."""
        self._chunks = chunks
        self._until = BASE + chunks
        self._settle_s = settle_s

    async def judged(self) -> Try:
        """What is missing from any of them, once each has had a chunk that is later than all of
        the schedule. Nothing may be held any more."""
        await self.answers.written()
        await self._settle()
        before = set().union(*(self._missing(visit.sightings) for visit in self.visits))
        if (silent := await self._go_on()) is not None:
            return Try(False, undetermined=f"no chunk came after those held: {_why(silent)}")
        await self._settle()
        return self._try(before, [self._look(list(visit.sightings)) for visit in self.visits])

    async def _settle(self) -> None:
        for visit in self.visits:
            await visit.wait_for(lambda seen: not self._missing(seen), self._settle_s)

    async def _go_on(self) -> TargetVisit | None:
        """Write until every client is being served; one that is not, however long."""
        silent: TargetVisit | None = None
        for _ in range(AFTER):
            self.answers.write()
            await self.answers.written()
            for silent in self.visits:
                if not await silent.wait_for(self._served, AFTER_S):
                    break
            else:
                return None
        return silent

    def _missing(self, seen: Sequence[Sighting]) -> set[int]:
        """Of the chunks up to the last under test, by numbers from 1."""
        judged = self._look(seen)
        lacks = {n + 1 for n in judged.missing if n < self._until}
        return lacks | set(range(judged.expected + 1, self._until + 1))

    def has_base(self, seen: Sequence[Sighting]) -> bool:
        """Whether everything before the chunks under test has come."""
        return bool(seen) and not any(n <= BASE for n in self._missing(seen))

    def _served(self, seen: Sequence[Sighting]) -> bool:
        """Whether a chunk came that is later than all of the schedule, since the client is here."""
        judged = judge(self.answers.expected(seen), seen)
        return any(n not in judged.missing for n in range(self._until, judged.expected))

    def _look(self, seen: Sequence[Sighting]) -> JudgedVisit:
        seen = (*self.had, *seen)
        return judge(self.answers.expected(seen), seen)

    def _try(self, before: set[int], found: Sequence[JudgedVisit]) -> Try:
        lost = {n + 1 for judged in found for n in judged.missing}
        tested = range(BASE + 1, self._until + 1)
        served = self._until + 1
        return Try(
            forced=True,
            lost=tuple(n - BASE for n in sorted(lost) if n in tested),
            lost_other=sum(n not in tested and n <= served for n in lost),
            late=len(before - lost),
            duplicates=sum(len(judged.duplicates) for judged in found),
            out_of_order=sum(len(judged.out_of_order) for judged in found),
            unexpected=sum(judged.unexpected for judged in found),
        )

    async def close(self) -> None:
        """Everybody leaves, and the answers end."""
        for visit in self.visits:
            visit.leave()
        for visit in self.visits:
            await asyncio.wait([visit.finished], timeout=ANSWERED_WITHIN_S)
        await self.answers.end()


def _why(visit: TargetVisit) -> str:
    return visit.finished.result() if visit.finished.done() else "the connection is open"
