"""Which commands of a try wait at the proxy, and who of the schedule each of them is.

One try is under way at a time: what touches its session, or a name that has no session in it, is
its own. A writer's events are counted; a join's are those that come after the join was begun. Of
two joins the second begins when the first stands at a gate, and an event is that join's which has
not had it yet.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from chunk7.instruments.steer.plan import (
    JOIN_EVENTS,
    LEAVER,
    PRODUCER,
    WRITE_EVENTS,
    SteerEvent,
    SteerStep,
)
from chunk7.instruments.steer.proxy import Passage, Push, Reply
from chunk7.instruments.steer.rules import Match, Role, Rules

MAX_SEEN = 2_000
"""Commands of a try that are remembered."""


def event_of(matches: Iterable[Match]) -> SteerEvent | None:
    """What a command, or a whole transaction, is."""
    roles = {match.role for match in matches}
    if {Role.SAVE, Role.PUBLISH} <= roles:
        return SteerEvent.WRITE
    order = (
        Role.APPEND, Role.PUBLISH, Role.SAVE, Role.SUBSCRIBE, Role.LEAVE, Role.READ, Role.FOLLOW,
    )  # fmt: skip
    return next((SteerEvent(role.value) for role in order if role in roles), None)


class Trial:
    """One try: what waits, what has come, what has happened.

    `base`: chunks that are written freely before the first of the schedule.
    """

    def __init__(self, session: str, steps: Iterable[SteerStep], base: int) -> None:
        self.session = session
        self.base = base
        self.joins = 0
        """How many have begun."""
        self.leaving = False
        self.wanted = set(steps)
        self.withheld = {step.actor for step in self.wanted if step.event == SteerEvent.ANSWER}
        """Joins whose read's answer waits, too."""
        self._chunks = max((step.chunk or 0 for step in self.wanted), default=0)
        self.held: dict[SteerStep, Passage] = {}
        self.hold_again = False
        """A second subscription waits for the try's end: the first one's connection was cut."""
        self.read_like: tuple[str, tuple[bytes, ...], str] | None = None
        """A read of another session: command, arguments, session."""
        self.stale: bytes | None = None
        """What the join's read is answered with, instead of what the store says."""
        self._again: list[Passage] = []
        self._later: list[Passage] = []
        """Writes of chunks behind those of the schedule, by a producer that does not wait for us:
        between the schedule's steps they would be a race of their own."""
        self.seen: list[tuple[SteerStep, Passage]] = []
        """All that were recognised, in the order in which they came."""
        self.begun_s = self.latest_s = asyncio.get_running_loop().time()
        """When the last join began, and when the last recognised command came."""
        self._written = Counter[SteerEvent]()
        self._had: set[SteerStep] = set()
        self._free = False
        self._let_go: set[str] = set()
        """Actors of whom nothing waits any more."""
        self._changed = asyncio.Event()

    def take(self, passage: Passage, matches: list[Match]) -> bool:
        """Whether this command waits."""
        own = [m for m in matches if m.session is None or m.session == self.session]
        event = event_of(own)
        step = self._step(event) if event is not None else None
        if step is None or event is None:
            return self._wait_again(passage, event)
        self._had.add(step)
        if step.event in JOIN_EVENTS or step.chunk == 1:
            self.latest_s = asyncio.get_running_loop().time()
        if len(self.seen) < MAX_SEEN:
            self.seen.append((step, passage))
        passage.answered.add_done_callback(
            lambda answered: self._answered(step, event, passage.name, answered)
        )
        waits = step in self.wanted and not self._free and step.actor not in self._let_go
        if waits:
            self.held[step] = passage
            passage.hold_reply = event is SteerEvent.READ and step.actor in self.withheld
            if event is SteerEvent.READ and self.stale is not None:
                passage.replace_reply(self.stale)
        if self._chunks and (step.chunk or 0) > self._chunks and not self._free:
            self._later.append(passage)
            waits = True
        self._changed.set()
        return waits

    def _wait_again(self, passage: Passage, event: SteerEvent | None) -> bool:
        if event not in (SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW):
            return False
        if not self.hold_again or self._free:
            return False
        self._again.append(passage)
        return True

    def _step(self, event: SteerEvent) -> SteerStep | None:
        if event in WRITE_EVENTS:
            self._written[event] += 1
            return SteerStep(PRODUCER, event, self._written[event] - self.base)
        if event is SteerEvent.LEAVE:
            return SteerStep(LEAVER, event, None) if self.leaving else None
        for number in range(1, self.joins + 1):
            step = SteerStep(f"join{number}", event, None)
            if step not in self._had:
                return step
        return None

    def _answered(
        self, step: SteerStep, event: SteerEvent, name: str, answered: "asyncio.Future[Reply]"
    ) -> None:
        """What was refused (NOSCRIPT, an aborted EXEC) has not happened and is sent again."""
        if answered.cancelled():  # with its connection: executed or not, who knows
            self._changed.set()
            return
        kind = answered.result().kind
        if kind == "error" or (kind == "nil" and name == "EXEC"):  # other nulls are answers
            self._had.discard(step)
            self.held.pop(step, None)
            if event in WRITE_EVENTS:
                self._written[event] -= 1
        self._changed.set()

    def begin_join(self, number: int) -> None:
        """From now on its commands may come."""
        self.joins = number
        self.begun_s = asyncio.get_running_loop().time()

    async def wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Whether it came true in time; looked at whenever a command comes or is answered."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while not condition():
            self._changed.clear()
            left_s = until_s - loop.time()
            if left_s <= 0:
                return False
            try:
                await asyncio.wait_for(self._changed.wait(), left_s)
            except TimeoutError:
                return condition()
        return True

    def look(self) -> None:
        """Something else has happened, for which somebody may wait."""
        self._changed.set()

    def came(self, step: SteerStep) -> bool:
        """Whether the command has reached the proxy."""
        return step in self._had

    def release_later(self) -> bool:
        """Let go the chunks behind the schedule's, whose connection somebody else may need.

        Whether there were any.
        """
        waited, self._later = self._later, []
        self._chunks = 0
        for passage in waited:
            passage.forward()
        return bool(waited)

    def let_go(self, actor: str) -> None:
        """From now on nothing of this one waits."""
        self._let_go.add(actor)
        for step, passage in list(self.held.items()):  # what is behind may be held next
            if step.actor == actor:
                passage.forward()
                passage.pass_reply()

    def release(self) -> None:
        """From now on nothing waits."""
        self._free = True
        self.release_later()
        for passage in (*self.held.values(), *self._again):
            passage.forward()
            passage.pass_reply()


class Gates:
    """The proxy's interceptor: hands every command that the rules know to the try under way."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.trial: Trial | None = None
        self.onlooker: Callable[[Passage, list[Match]], None] | None = None
        """Is shown every command, recognised or not."""

    def command(self, passage: Passage) -> bool:
        """See `chunk7.instruments.steer.proxy.Interceptor`."""
        matches = self.rules.of_passage(passage.name, passage.args, passage.block)
        if self.onlooker is not None:
            self.onlooker(passage, matches)
        if self.trial is None or not matches:
            return False
        return self.trial.take(passage, matches)

    def push(self, push: Push) -> bool:
        """Messages are never held: what is published is on its way at once."""
        return False

    def closed(self, connection: int) -> None:
        """What was held there ends with it."""
