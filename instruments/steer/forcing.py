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
from chunk7.instruments.steer.outcome import Try
from chunk7.instruments.steer.plan import (
    JOIN_EVENTS,
    LEAVER,
    NETWORK,
    PRODUCER,
    SteerEvent,
    SteerSchedule,
    SteerStep,
)
from chunk7.instruments.steer.proxy import Passage
from chunk7.instruments.steer.returning import Returning, gone, joined
from chunk7.instruments.steer.systems import BASE, Answers
from chunk7.instruments.steer.trial import Gates, Trial
from chunk7.instruments.steer.visitors import ANSWERED_WITHIN_S, Visitors
from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.visiting import TargetVisit

POLL_S = 0.005
TAKEN_S = 0.01
"""What the application is given to take a message that the proxy has passed on."""
MAX_REFUSALS = 5
"""How often the store may refuse an event before the application is given up on."""


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
    join: Callable[[str, int, str | int | None], TargetVisit]
    """Begins join number n of a session, by a client that has what it says, if anything."""
    is_blocked: Callable[[str], Awaitable[bool]]
    """Whether the store waits for something to give to the connection of this address."""
    read_again: ReadAgain
    read_like: tuple[str, tuple[bytes, ...], str] | None = None
    """The read of a natural join: command, arguments, and the session in them."""
    patience: Patience = field(default_factory=Patience)
    returning: Returning | None = None
    """Whose join it is: a client that comes back; None: one that has never been there."""


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


async def happened(bench: Bench, step: SteerStep, passage: Passage) -> None:
    """Until the event has happened, or was refused. Raises Chunk7Error if no answer came."""
    if step.event == SteerEvent.FOLLOW:
        until_s = time.monotonic() + ANSWERED_WITHIN_S
        while not passage.answered.done() and time.monotonic() < until_s:
            if await bench.is_blocked(passage.address):
                return
            await asyncio.sleep(POLL_S)
    await asyncio.wait([passage.answered], timeout=ANSWERED_WITHIN_S)
    if not passage.answered.done() or passage.answered.cancelled():
        raise Chunk7Error(f"{named(step)} was sent, and no answer came")


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
        self._chunks = max((step.chunk or 0 for step in steps), default=1)
        self.visitors = Visitors(bench.open_answers(session), self._chunks, bench.patience.settle_s)
        self._leaver: TargetVisit | None = None
        self._earlier: TargetVisit | None = None
        self._after: str | int | None = None
        """What a client that comes back says that it has."""
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
        prepare(self._steps, self._trial)
        answers = self.visitors.answers
        if self._bench.returning is not None:
            self._earlier = self._bench.join(self._trial.session, 0, None)
            await joined(self._earlier, self._bench.patience.first_s)
        await answers.begin()
        self._trial.session = answers.session
        for _ in range(BASE):
            answers.write()
        await answers.written()
        leaver = await self._begin_leaver() if self._has_gate(LEAVER) else None
        for _ in range(self._chunks):
            answers.write()
        await self._come(PRODUCER)
        if leaver is not None:  # before the join: who shares its subscription would keep it
            self._trial.leaving = True
            leaver.leave()
            await self._come(LEAVER)
        await self._go_away()
        for number, actor in enumerate(self._joins, 1):
            self._trial.begin_join(number)
            await self._come(actor, self.join(number))

    async def _go_away(self) -> None:
        """Who will come back has what there is, and is away."""
        returning = self._bench.returning
        if returning is not None and self._earlier is not None:
            had = await gone(
                self._earlier, self.visitors.has_base, self._bench.patience.first_s, returning
            )
            self.visitors.had, self._after = had, returning.after(had)

    def join(self, number: int) -> TargetVisit:
        """A client that joins now, and is judged in the end."""
        visit = self._bench.join(self._trial.session, number, self._after)
        self.visitors.visits.append(visit)
        return visit

    def _has_gate(self, actor: str) -> bool:
        return any(step.actor == actor for step in self._trial.wanted)

    async def _begin_leaver(self) -> TargetVisit:
        """A client that has joined, freely, and will leave."""
        self._leaver = self._bench.join(self._trial.session, 0, None)
        if not await self._leaver.wait_for(lambda seen: bool(seen), self._bench.patience.first_s):
            raise Chunk7Error("the client that is to leave received nothing")
        return self._leaver

    async def _come(self, actor: str, visit: TargetVisit | None = None) -> None:
        """Wait for the first of an actor's events.

        While others are held, these may be what it waits for: then it comes in its turn, or is
        found not to. Raises Chunk7Error when nothing comes though nothing is held.
        """
        if not self._has_gate(actor):
            return
        patience, trial = self._bench.patience, self._trial

        def waits() -> bool:
            gone = visit is not None and visit.finished.done()
            return gone or any(step.actor == actor for step in trial.held)

        if visit is not None:
            visit.finished.add_done_callback(lambda _: trial.look())
        among_others = bool(trial.held)
        came = await trial.wait(waits, patience.hold_s if among_others else patience.first_s)
        if visit is not None and visit.finished.done():
            raise Chunk7Error(f"the client of {actor} is gone: {visit.finished.result()}")
        if not came and not among_others:
            raise Chunk7Error(
                f"nothing of {actor} came to the store: do the rules name its commands?"
            )

    async def _force(self, step: SteerStep, later: Sequence[SteerStep]) -> None:
        if step.actor == NETWORK:
            await strike(step, self._trial, self._bench.read_again)
            return
        if step.event == SteerEvent.ANSWER:
            read = self._trial.held.get(SteerStep(step.actor, SteerEvent.READ))
            if read is None:
                raise Chunk7Error(f"{named(step)}: there was no read before it")
            await asyncio.sleep(TAKEN_S)  # whatever was pushed meanwhile is taken first
            read.pass_reply()
            return
        for _ in range(MAX_REFUSALS):
            if not await self._comes(step):
                raise NotForced(step, [s for s in self._trial.held if s in (step, *later)])
            passage = self._trial.held[step]
            passage.forward()
            await happened(self._bench, step, passage)
            if step in self._trial.held:
                break  # else refused by the store: the application tries again
        else:
            raise Chunk7Error(f"the store refused {named(step)} {MAX_REFUSALS} times")
        if step.event in (SteerEvent.PUBLISH, SteerEvent.WRITE, SteerEvent.APPEND):
            await asyncio.sleep(TAKEN_S)
        await self._followed(step, later)

    async def _comes(self, step: SteerStep) -> bool:
        hold_s = self._bench.patience.hold_s
        return await self._trial.wait(lambda: step in self._trial.held, hold_s) or (
            self._trial.release_later()
            and await self._trial.wait(lambda: step in self._trial.held, hold_s)
        )

    async def _followed(self, step: SteerStep, later: Sequence[SteerStep]) -> None:
        """With two joins, wait for what this one does next: whose it is must be certain."""
        if len(self._joins) > 1 and step.event in JOIN_EVENTS:
            following = [s for s in later if s.actor == step.actor][:1]
            await self._trial.wait(
                lambda: all(map(self._trial.came, following)), self._bench.patience.hold_s
            )

    async def _not_forced(self, error: NotForced) -> Try:
        """The application orders these itself, if what did not come comes once the others of its
        own party go, and a join works then."""
        step, trial = error.step, self._trial
        cause = await self._cause(error)
        trial.release()
        await trial.wait(lambda: trial.came(step), self._bench.patience.hold_s)
        found = await self.judged()
        if found.undetermined is not None:
            return found
        if not trial.came(step):
            return Try(False, undetermined=f"{named(step)} never came, and a free join worked")
        if not cause:
            return Try(False, undetermined=f"{named(step)} came late, whatever was held")
        waited = ", ".join(map(named, cause))
        if (why := _shared(self._trial, step, cause)) is not None:
            return Try(False, undetermined=f"{named(step)} came only once {waited} went: {why}")
        return Try(False, infeasible=f"{named(step)} comes only after {waited}")

    async def _cause(self, error: NotForced) -> list[SteerStep]:
        """Let one party after the other go, until it comes; what was held of the one it waited for.

        Its own first: what stands behind these is no news.
        """
        step, trial = error.step, self._trial
        parties = dict.fromkeys((step.actor, LEAVER, *self._joins, PRODUCER))
        for actor in parties:
            held = [one for one in error.held if one.actor == actor]
            if held:
                trial.let_go(actor)
                if await trial.wait(lambda: trial.came(step), self._bench.patience.hold_s):
                    return held
        return []

    async def judged(self) -> Try:
        """What each joiner has in the end, when nothing waits any more."""
        self._trial.release()
        return await self.visitors.judged()

    async def close(self) -> None:
        self._trial.release()
        self._bench.gates.trial = None
        for visit in (self._leaver, self._earlier):
            if visit is not None:
                visit.leave()
        await self.visitors.close()


def _shared(trial: Trial, step: SteerStep, cause: Sequence[SteerStep]) -> str | None:
    """Why it may have waited only for what both use, and not for what was held; else None.

    Who leaves began before the join: the order of these two is the application's.
    """
    other = cause[0].actor
    if other in (step.actor, LEAVER):
        return None
    if PRODUCER in (step.actor, other):
        return (
            "join and producer share a connection or a lock in the process; processes: 2 in "
            "start gives each its own"
        )
    passages = [p for seen, p in trial.seen if seen in (step, *cause)]
    same = len({passage.connection for passage in passages}) == 1
    return "the joins share a connection" if same else None
