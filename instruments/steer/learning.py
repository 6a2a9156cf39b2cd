"""What a join and a write are in this system: seen in joins that nobody holds, then asked.

In which order the application does things is never taken from the order in which they came: one
event is held, and what does not come meanwhile waits for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.steer.forcing import Bench, Patience, attempting
from chunk7.instruments.steer.outcome import SteerLearning
from chunk7.instruments.steer.plan import (
    JOIN_EVENTS,
    JOINS,
    LEAVER,
    PRODUCER,
    WRITE_EVENTS,
    SteerEvent,
    SteerStep,
)
from chunk7.instruments.steer.proxy import Passage
from chunk7.instruments.steer.rules import Match, Rules
from chunk7.instruments.watch.guess import Traffic
from chunk7.instruments.watch.monitor_line import Command
from chunk7.instruments.watch.patterns import patterns

NATURAL_JOINS = 3
"""Natural joins that are looked at."""
SLOW, MAX_HOLD_S = 5.0, 30.0
"""An event that is waited for may take so many times as long as a natural join's events did."""
MAX_COMMANDS = 400
"""Of a natural join, that are kept to be shown."""
JOIN, SECOND = JOINS
Orders = frozenset[tuple[SteerEvent, SteerEvent]]


@dataclass(frozen=True, slots=True)
class SeenCommand:
    """One command of a natural join, as it came. `event` None: no rule knows it."""

    connection: int
    command: str
    actor: str | None
    event: SteerEvent | None
    chunk: int | None


@dataclass(frozen=True, slots=True)
class LearnedJoin:
    """What natural joins showed. `commands`: of the last one."""

    system: SteerLearning
    commands: tuple[SeenCommand, ...]
    notes: tuple[str, ...]
    read_like: tuple[str, tuple[bytes, ...], str] | None
    """The read: command, arguments, and the session in them."""
    patience: Patience
    """`hold_s` is long enough for this system: what comes late by itself waits for nothing."""
    second: tuple[SteerEvent, ...] = ()
    """The events of a join while another client of the session is there, if that was asked."""


class NothingLearned(Chunk7Error):
    """The natural joins did not show what has to be held."""


async def learn(
    bench: Bench, new_session: Callable[[], str], *, joiners: int = 1, leaver: bool = False
) -> LearnedJoin:
    """Look at NATURAL_JOINS joins, then hold each event once.

    With two joiners or a leaver, see what is different when somebody is there already. Raises
    NothingLearned and Chunk7Error.
    """
    seen = [await _natural(bench, new_session()) for _ in range(NATURAL_JOINS)]
    last = seen[-1]
    if last.undetermined is not None:
        raise NothingLearned(f"a join that nothing holds does not work: {last.undetermined}")
    join = tuple(event for event in last.join if all(event in one.join for one in seen))
    _check_known(join, last)
    slowest_s = max(one.took_s for one in seen)
    hold_s = min(MAX_HOLD_S, max(bench.patience.hold_s, SLOW * slowest_s))
    patience = replace(bench.patience, hold_s=hold_s)
    bench = replace(bench, patience=patience)
    notes = [*_notes(seen, join)]
    if SteerEvent.READ in join and not {SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW} & {*join}:
        join = (*join, SteerEvent.ANSWER)
        notes.append(
            "a join sends no subscription of its own: live chunks are passed on inside the "
            "process, and what can be held is the read's answer"
        )
    keeps = await _kept(bench, new_session, [SteerStep(JOIN, event) for event in join])
    if SteerEvent.ANSWER in join:
        keeps |= {(SteerEvent.READ, SteerEvent.ANSWER)}
    writes = [SteerStep(PRODUCER, event, 1) for event in last.write]
    system = SteerLearning(
        rules=bench.gates.rules.used(_matches(bench.gates.rules, seen)),
        connections=_connections(last.commands),
        join=join,
        join_keeps=keeps,
        write=last.write,
        write_keeps=await _kept(bench, new_session, writes),
    )
    second: tuple[SteerEvent, ...] = ()
    if joiners > 1 or leaver:
        second = await _beside_another(bench, new_session(), join, leaver)
        notes += [
            f"a join while another client of its session is there sends no {event} of its own"
            for event in join
            if event not in second
        ]
    return LearnedJoin(system, last.commands, tuple(notes), last.read_like, patience, second)


async def _beside_another(
    bench: Bench, session: str, join: Sequence[SteerEvent], leaver: bool
) -> tuple[SteerEvent, ...]:
    """The events of a second join. Raises NothingLearned if nothing is seen of a leave."""
    async with attempting(bench, (), session) as one:
        await one.begin()
        first = await one.judged()
        one.trial.joins = 2
        one.join(2)
        found = await one.judged()
        why = first.undetermined or found.undetermined
        if why is not None:
            raise NothingLearned(f"a second join of a session does not work: {why}")
        one.trial.leaving = True
        for visit in one.visitors.visits:
            visit.leave()
        left = SteerStep(LEAVER, SteerEvent.LEAVE)
        if leaver and not await one.trial.wait(
            lambda: any(step == left for step, _ in one.trial.seen), bench.patience.first_s
        ):
            raise NothingLearned(
                "--leaver: clients that leave send no command that --leave names; what ends with "
                "its connection alone cannot be held"
            )
    came = {step.event for step, _ in one.trial.seen if step.actor == SECOND}
    return tuple(e for e in join if e in came or e is SteerEvent.ANSWER)


def _check_known(join: Sequence[SteerEvent], last: "_Natural") -> None:
    if not join:
        raise NothingLearned(
            "no command of a join was recognised; --read, --subscribe and --follow name them. "
            + _unknown(last.commands)
        )
    if not last.write:
        raise NothingLearned(
            "no command that writes a chunk was recognised; --publish, --save and --append name "
            "them. " + _unknown(last.commands)
        )


async def guessed_rules(bench: Bench, new_session: Callable[[], str]) -> Rules:
    """What the names in the traffic of NATURAL_JOINS joins might mean. Raises NothingLearned."""
    traffic = Traffic()
    for _ in range(NATURAL_JOINS):
        last = await _natural(bench, new_session())
        for passage in last.passages:
            for name, args in ((passage.name, passage.args), *passage.block):
                traffic.add(Command(0, 0, passage.address, name, args))
    guess = traffic.guess()
    if guess is None:
        raise NothingLearned(
            "nothing in the traffic looks like a handover; --read, --subscribe, --publish and "
            "--save name its commands. " + _unknown(last.commands)
        )
    names = (guess.history, guess.channel, guess.stream)
    return Rules.of_patterns(patterns(*([name] if name else [] for name in names)))


@dataclass(frozen=True, slots=True)
class _Natural:
    """A join that nobody held: its events, those of the chunk after it, every command."""

    join: tuple[SteerEvent, ...]
    write: tuple[SteerEvent, ...]
    rules: Rules
    passages: tuple[Passage, ...]
    commands: tuple[SeenCommand, ...]
    undetermined: str | None
    took_s: float
    """From the join's beginning to its last event."""
    read_like: tuple[str, tuple[bytes, ...], str] | None


async def _natural(bench: Bench, session: str) -> _Natural:
    came: list[Passage] = []

    def look(passage: Passage, matches: list[Match]) -> None:
        """Answers of earlier tries may go on for a while."""
        own = not matches or any(m.session in (None, session) for m in matches)
        if own and len(came) < MAX_COMMANDS:
            came.append(passage)

    bench.gates.onlooker = look
    try:
        async with attempting(bench, (), session) as one:
            await one.begin()
            found = await one.judged()
    finally:
        bench.gates.onlooker = None
    seen = one.trial.seen
    steps = {id(passage): step for step, passage in seen}
    reads = [p for s, p in seen if s.actor == JOIN and s.event == SteerEvent.READ]
    return _Natural(
        join=_once(s.event for s, _ in seen if s.actor == JOIN),
        write=_once(s.event for s, _ in seen if s.actor == PRODUCER and s.chunk == 1),
        rules=bench.gates.rules,
        passages=tuple(came),
        commands=tuple(_command(passage, steps.get(id(passage))) for passage in came),
        undetermined=found.undetermined,
        took_s=one.trial.latest_s - one.trial.begun_s,
        read_like=(reads[0].name, reads[0].args, session) if reads else None,
    )


def _once(events: Iterable[str]) -> tuple[SteerEvent, ...]:
    return tuple(map(SteerEvent, dict.fromkeys(events)))


def _command(passage: Passage, step: SteerStep | None) -> SeenCommand:
    words = [passage.name, *(arg.decode("utf-8", "backslashreplace") for arg in passage.args)]
    for name, args in passage.block:
        words += ["|", name, *(arg.decode("utf-8", "backslashreplace") for arg in args)]
    shown = " ".join(words)
    return SeenCommand(
        passage.connection,
        shown if len(shown) <= 120 else shown[:117] + "...",
        step.actor if step else None,
        SteerEvent(step.event) if step else None,
        step.chunk if step else None,
    )


async def _kept(bench: Bench, new_session: Callable[[], str], steps: Sequence[SteerStep]) -> Orders:
    """(a, b): b does not come while a is held."""
    if len(steps) < 2:
        return frozenset()
    kept: set[tuple[SteerEvent, SteerEvent]] = set()
    asked = [step for step in steps if step.event != SteerEvent.ANSWER]
    for held in asked:
        others = [step for step in asked if step != held]
        waiting = await _waiting(bench, new_session(), held, others)
        kept |= {(SteerEvent(held.event), SteerEvent(step.event)) for step in waiting}
    return frozenset(kept)


async def _waiting(
    bench: Bench, session: str, held: SteerStep, others: Sequence[SteerStep]
) -> list[SteerStep]:
    """Those that do not come while one is held, and do when it is let go."""
    async with attempting(bench, (held,), session) as one:
        trial = one.trial
        await one.begin()
        await trial.wait(lambda: all(map(trial.came, others)), bench.patience.hold_s)
        waiting = [step for step in others if not trial.came(step)]
        await one.judged()
        await trial.wait(lambda: all(map(trial.came, waiting)), bench.patience.first_s)
        return [step for step in waiting if trial.came(step)]


def _matches(rules: Rules, seen: Sequence[_Natural]) -> Iterator[Match]:
    for passage in (passage for one in seen for passage in one.passages):
        yield from rules.of_passage(passage.name, passage.args, passage.block)


def _connections(commands: Sequence[SeenCommand]) -> dict[SteerEvent, str]:
    """By event, on which connections it was sent, in words."""
    used: dict[SteerEvent, set[int]] = {}
    for command in commands:
        if command.event is not None:
            used.setdefault(command.event, set()).add(command.connection)
    return {event: ", ".join(map(str, sorted(found))) for event, found in used.items()}


def _notes(seen: Sequence[_Natural], join: Sequence[SteerEvent]) -> Iterable[str]:
    rare = sorted({event for one in seen for event in one.join} - {*join})
    if rare:
        yield f"not every join has {', '.join(rare)}: left out"
    without = {
        str(m.rule)
        for one in seen
        for passage in one.passages
        for m in one.rules.of_passage(passage.name, passage.args, passage.block)
        if m.session is None
    }
    if without:
        yield f"no session in {', '.join(sorted(without))}: whose they are, one try at a time tells"
    of_join, of_write = (
        {c.connection for c in seen[-1].commands if c.event in events}
        for events in (JOIN_EVENTS, WRITE_EVENTS)
    )
    if of_join & of_write:
        yield (
            "joins and writes share a connection: what is held for one holds up the other, and "
            "some orders cannot be forced; processes: 2 in start gives each its own"
        )


def _unknown(commands: Sequence[SeenCommand]) -> str:
    shown = dict.fromkeys(c.command for c in commands if c.event is None)
    return "Seen: " + "; ".join([*shown][:8]) if shown else "The proxy saw no command at all."
