"""One try: every event of a schedule made to happen in its turn, on the system itself.

An event has happened when the store's answer to it was received (a blocking read: when the store
calls its connection blocked). What waits is let go with the try's end whatever happened, so that
no application is left standing.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.faults import ReadAgain, prepare, strike
from chunk7.instruments.steer.gates import JOIN_EVENTS, LEAVER, PRODUCER, Gates, Trial
from chunk7.instruments.steer.judging import JudgedVisit, judge
from chunk7.instruments.steer.outcome import Try
from chunk7.instruments.steer.plan import NETWORK, SteerEvent, SteerSchedule, SteerStep
from chunk7.instruments.steer.proxy import Passage
from chunk7.instruments.steer.systems import BASE, Answers
from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import TargetVisit

POLL_S = 0.005
TAKEN_S = 0.01
"""What the application is given to take a message that the proxy has passed on."""
ANSWERED_WITHIN_S = 2.0
AFTER, AFTER_S = 40, 0.05
"""At most so many chunks, and so far apart, show after those of the schedule that the client is
being served."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: `first` for a join to begin, `hold` for an event that the
    application may be holding back itself, `settle` for a chunk that may still come."""

    first_s: float = 5.0
    hold_s: float = 0.5
    settle_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Bench:
    """What a try is made on."""

    gates: Gates
    open_answers: Callable[[str], Answers]
    join: Callable[[str, int], TargetVisit]
    """Begins join number n of a session."""
    is_blocked: Callable[[str], Awaitable[bool]]
    """Whether the store waits for something to give to the connection of this address."""
    read_again: ReadAgain
    read_like: tuple[str, tuple[bytes, ...], str] | None = None
    """The read of a natural join: command, arguments, and the session in them."""
    patience: Patience = field(default_factory=Patience)


class NotForced(Exception):
    """An event did not come in its turn; `step` is the one, `held` who waited meanwhile."""

    def __init__(self, step: SteerStep, held: Sequence[SteerStep]) -> None:
        super().__init__(f"{named(step)} did not come")
        self.step = step
        self.held = tuple(held)


def named(step: SteerStep) -> str:
    """As people read it: `publish 1`, `join1 read`."""
    who = "" if step.actor in (PRODUCER, "join1") else f"{step.actor} "
    return f"{who}{step.event}{'' if step.chunk is None else f' {step.chunk}'}"


async def attempt(bench: Bench, schedule: SteerSchedule, session: str) -> Try:
    """Force the schedule once, on a session that nobody has used."""
    began_s = time.monotonic()
    async with attempting(bench, schedule.steps, session) as one:
        try:
            found = await one.run()
        except (TargetError, NotJudged, Chunk7Error, TimeoutError, OSError) as error:
            found = Try(False, undetermined=str(error) or type(error).__name__)
    return replace(found, seconds=time.monotonic() - began_s)


@contextlib.asynccontextmanager
async def attempting(
    bench: Bench, steps: Sequence[SteerStep], session: str
) -> AsyncIterator["Attempt"]:
    """The parties of a try, and their end. `steps` that are held."""
    one = Attempt(bench, steps, session)
    try:
        yield one
    finally:
        await one.close()


class Attempt:
    """The parties of one try."""

    def __init__(self, bench: Bench, steps: Sequence[SteerStep], session: str) -> None:
        self._bench = bench
        self._steps = steps
        self.trial = self._trial = Trial(session, steps, BASE)
        self._answers = bench.open_answers(session)
        self._visits: list[TargetVisit] = []
        self._leaver: TargetVisit | None = None
        self._chunks = max((step.chunk or 0 for step in steps), default=1)
        self._joins = sorted({s.actor for s in steps if s.actor.startswith("join")}) or ["join1"]

    async def run(self) -> Try:
        """Begin everything, make every event happen in its turn, and judge."""
        await self.begin()
        try:
            for place, step in enumerate(self._steps):
                await self._force(step, self._steps[place + 1 :])
        except NotForced as error:
            return await self._not_forced(error)
        return await self.judged()

    async def begin(self) -> None:
        """Until every party stands at its gate. Who has none goes on by itself."""
        self._bench.gates.trial = self._trial
        self._trial.read_like = self._bench.read_like
        await prepare(self._steps, self._trial)
        await self._answers.begin()
        for _ in range(BASE):
            self._answers.write()
        await self._answers.written()
        if any(step.actor == LEAVER for step in self._steps):
            await self._begin_leaver()
        for _ in range(self._chunks):
            self._answers.write()
        if self._has_gate(PRODUCER):
            await self._come(PRODUCER)
        for number, actor in enumerate(self._joins, 1):
            self._trial.begin_join(number)
            self._visits.append(self._bench.join(self._trial.session, number))
            if self._has_gate(actor):
                await self._come(actor)
        if self._leaver is not None:
            self._trial.leaving = True
            self._leaver.leave()

    def _has_gate(self, actor: str) -> bool:
        return any(step.actor == actor for step in self._steps)

    async def _begin_leaver(self) -> None:
        """A client that has joined, freely, and will leave."""
        self._leaver = self._bench.join(self._trial.session, 0)
        if not await self._leaver.wait_for(lambda seen: bool(seen), self._bench.patience.first_s):
            raise Chunk7Error("the client that is to leave received nothing")

    async def _come(self, actor: str) -> None:
        def waits() -> bool:
            return any(step.actor == actor for step in self._trial.held)

        if not await self._trial.wait(waits, self._bench.patience.first_s):
            raise Chunk7Error(f"nothing of {actor} came to the store: {self._opened()}")

    def _opened(self) -> str:
        for visit in self._visits:
            if visit.opened.done() and (error := visit.opened.exception()) is not None:
                return str(error)
        return "do the rules name its commands?"

    async def _force(self, step: SteerStep, later: Sequence[SteerStep]) -> None:
        if step.actor == NETWORK:
            await strike(step, self._trial, self._bench.read_again)
            return
        if step.event == SteerEvent.ANSWER:
            read = self._trial.held[SteerStep(step.actor, SteerEvent.READ, None)]
            await asyncio.sleep(TAKEN_S)  # whatever was pushed meanwhile is taken first
            read.pass_reply()
            return
        if not await self._trial.wait(
            lambda: step in self._trial.held, self._bench.patience.hold_s
        ):
            raise NotForced(step, [s for s in self._trial.held if s in (step, *later)])
        passage = self._trial.held[step]
        passage.forward()
        await self._happened(step, passage)
        await self._followed(step, later)

    async def _happened(self, step: SteerStep, passage: Passage) -> None:
        if step.event == SteerEvent.FOLLOW:
            until_s = time.monotonic() + ANSWERED_WITHIN_S
            while not passage.answered.done() and time.monotonic() < until_s:
                if await self._bench.is_blocked(passage.address):
                    return
                await asyncio.sleep(POLL_S)
        await asyncio.wait([passage.answered], timeout=ANSWERED_WITHIN_S)
        if not passage.answered.done() or passage.answered.cancelled():
            raise Chunk7Error(f"{named(step)} was sent, and no answer came")
        if step not in self._trial.held:  # refused by the store: the application tries again
            await self._force(step, ())
        if step.event in (SteerEvent.PUBLISH, SteerEvent.WRITE, SteerEvent.APPEND):
            await asyncio.sleep(TAKEN_S)

    async def _followed(self, step: SteerStep, later: Sequence[SteerStep]) -> None:
        """With two joins, wait for what this one does next: whose it is must be certain."""
        if len(self._joins) > 1 and step.event in JOIN_EVENTS:
            following = [s for s in later if s.actor == step.actor][:1]
            await self._trial.wait(
                lambda: all(map(self._trial.came, following)), self._bench.patience.hold_s
            )

    async def _not_forced(self, error: NotForced) -> Try:
        """The application orders these itself, if what did not come comes once nothing waits."""
        self._trial.release()
        came = await self._trial.wait(
            lambda: self._trial.came(error.step), self._bench.patience.first_s
        )
        if not came:
            return Try(False, undetermined=f"{named(error.step)} never came")
        found = await self.judged()
        if found.undetermined is not None:
            return found
        waited = ", ".join(map(named, error.held)) or "nothing"
        return Try(False, infeasible=f"{named(error.step)} comes only after {waited}")

    async def judged(self) -> Try:
        """What each joiner has in the end; the first that lost something speaks for all."""
        self._trial.release()
        await self._answers.written()
        under_test = BASE + self._chunks
        settle_s = self._bench.patience.settle_s
        for visit in self._visits:
            await visit.wait_for(lambda seen: not self._missing(seen, under_test), settle_s)
        before = [self._missing(v.sightings, under_test) for v in self._visits]
        if (silent := await self._go_on(under_test)) is not None:
            return Try(False, undetermined=f"no chunk came after those held: {_why(silent)}")
        for visit in self._visits:
            await visit.wait_for(lambda seen: not self._missing(seen, under_test), settle_s)
        found = [self._judge(visit) for visit in self._visits]
        return self._try(before, found)

    async def _go_on(self, under_test: int) -> TargetVisit | None:
        """Write until every client is being served; one that is not, however long."""
        silent: TargetVisit | None = None
        for _ in range(AFTER):
            self._answers.write()
            await self._answers.written()
            for silent in self._visits:
                if not await silent.wait_for(lambda s: self._served(s, under_test), AFTER_S):
                    break
            else:
                return None
        return silent

    def _missing(self, seen: Sequence[Sighting], until: int) -> set[int]:
        judged = self._look(seen)
        expected = len(self._answers.expected(seen))
        lacks = {n + 1 for n in judged.missing if n < until}
        return lacks | set(range(expected + 1, until + 1))

    def _served(self, seen: Sequence[Sighting], until: int) -> bool:
        """Whether a chunk came that is later than all of the schedule."""
        judged = self._look(seen)
        return any(n >= until for n in range(judged.expected) if n not in judged.missing)

    def _look(self, seen: Sequence[Sighting]) -> JudgedVisit:
        return judge(self._answers.expected(seen), seen)

    def _judge(self, visit: TargetVisit) -> JudgedVisit:
        return self._look(list(visit.sightings))

    def _try(self, before: list[set[int]], found: list[JudgedVisit]) -> Try:
        lost = {n + 1 for judged in found for n in judged.missing}
        tested = range(BASE + 1, BASE + self._chunks + 1)
        late = set().union(*before) - lost
        served = BASE + self._chunks + 1
        return Try(
            forced=True,
            lost=tuple(n - BASE for n in sorted(lost) if n in tested),
            lost_other=sum(n not in tested and n <= served for n in lost),
            late=len(late),
            duplicates=sum(len(judged.duplicates) for judged in found),
            out_of_order=sum(len(judged.out_of_order) for judged in found),
            unexpected=sum(judged.unexpected for judged in found),
        )

    async def close(self) -> None:
        self._trial.release()
        self._bench.gates.trial = None
        for visit in (*self._visits, *([self._leaver] if self._leaver else [])):
            visit.leave()
        for visit in self._visits:
            await asyncio.wait([visit.finished], timeout=ANSWERED_WITHIN_S)
        await self._answers.end()


def _why(visit: TargetVisit) -> str:
    return visit.finished.result() if visit.finished.done() else "the connection is open"
