"""A schedule as the bug report draws one: T1..Tn down, a column a participant, the risk window.

Plain text. The risk window of a lost chunk is where it is in nobody's hands: it opens with the
history read or the publication, whichever comes first, and closes with the subscription or the
saving, whichever comes last. Of a chunk that comes twice, late or back, the receipt is marked.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from chunk7.delivery.effects import StreamRead
from chunk7.delivery.errors import UsageError
from chunk7.faults import EFFECTS
from chunk7.simulator.explore.liveness import InTheEnd, Liveness
from chunk7.simulator.explore.naming import OF_END
from chunk7.simulator.explore.schedule import PRODUCERS, Failure, Schedule, Step
from chunk7.simulator.explore.search import failures
from chunk7.simulator.explore.state import (
    ExploreCell,
    ScheduleOutcome,
    State,
    schedule_of,
)
from chunk7.simulator.explore.world import World, replay

_PUBLISHES = frozenset(
    name + end
    for name in ("publish", "save_and_publish", "number_save_and_publish")
    for end in ("", OF_END)
)
_SAVES = frozenset(("save", "save_and_publish", "number_save_and_publish"))
_TURNS = frozenset(("follow", "subscription", *EFFECTS))
_WORDS = {
    "next_seq": "take a number for {chunk}",
    "publish": "publish {chunk}",
    "save": "save {chunk}",
    "save_and_publish": "save and publish {chunk}",
    "number_save_and_publish": "number, save and publish {chunk}",
    "append": "append {chunk}",
    "append_same_ms": "append {chunk}, in the same ms",
    "poke": "poke",
    "await_replicas": "wait for replicas",
    "begin": "begin the keys anew",
    "clear": "clear the keys",
    "publish_end": "publish the end",
    "save_end": "save the end",
    "save_and_publish_end": "save and publish the end",
    "number_save_and_publish_end": "number, save and publish the end",
    "append_end": "append the end",
    "append_end_same_ms": "append the end, in the same ms",
    "set_status": "set the status",
    "subscribe": "send SUBSCRIBE",
    "confirmed": "confirmed",
    "unsubscribe": "listen no longer",
    "read_history": "read history",
    "read_head": "read head",
    "read_stream": "read stream",
    "read_tail": "read the stream's end",
    "read_status": "read status",
    "follow": "follow the stream",
    "look_when_poked": "look from now on",
    "start": "start the producer",
    "send_history": "send history",
    "send_welcome": "send welcome",
    "send_end": "send end",
    "send_control": "send control",
    "release": "release the buffer",
    "release_after": "release what is above the cursor",
    "subscription": "SUBSCRIBE takes effect",
    "unsubscription": "UNSUBSCRIBE takes effect",
    "confirmation": "hear that SUBSCRIBE took effect",
    "deliver": "{chunk} arrives",
    "notice": "a notice arrives",
    "look": "look, and send what is new",
    "tail": "pass on what is new",
    "replicate": "a replica catches up on {chunk}",
    "heartbeat": "heartbeat",
    "fetch": "read what is asked for",
    "fetched": "send it",
    "hear": "",
    **{effect: wording.drawn for effect, wording in EFFECTS.items()},
}


_WORST_FIRST = (
    Failure.LOSSY,
    Failure.STUCK,
    Failure.FALSE_END,
    Failure.TOLD_RECOVERED,
    Failure.UNFINISHED,
    Failure.FOREIGN,
    Failure.OUT_OF_ORDER,
    Failure.REWINDING,
    Failure.DUPLICATING,
)
_LEAST_ROOM = 12
"""Characters of a line, however narrow the terminal is."""
_RECEIVED = {
    Failure.DUPLICATING: "{0.chunk} AGAIN",
    Failure.OUT_OF_ORDER: "{0.chunk} AFTER {0.latest}",
    Failure.REWINDING: "BACK from {0.before} to {0.chunk}",
}
"""Failures that a receipt makes, and its mark."""
_TOLD = {
    Failure.UNFINISHED: "never learns that the answer is over",
    Failure.FALSE_END: "is told that the answer is over, and lacks some of it",
    Failure.TOLD_RECOVERED: "is told that nothing is missing, and loses some of it",
    Failure.FOREIGN: "is shown what is not of its answer",
}
"""Failures of a client as a whole, in words."""
_TURNS_OF = {
    Failure.FALSE_END: "short",
    Failure.TOLD_RECOVERED: "vouched",
    Failure.FOREIGN: "foreign",
}
_TOLD_MARKS = {
    Failure.FALSE_END: "told the END, lacks {}",
    Failure.TOLD_RECOVERED: "told RECOVERED, loses {}",
    Failure.FOREIGN: "shown what is NOT ITS",
}
"""What changes in a `Joiner` where it happens, and the mark there."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A schedule that has been run again: `states[i]` is before step i, the last is the end."""

    world: World
    schedule: Schedule
    states: tuple[State, ...]
    outcome: ScheduleOutcome


def rerun(cell: ExploreCell, schedule: Schedule) -> Replay:
    """Run the schedule in memory.

    Raises UsageError when a step cannot happen where it stands, and when the last is not the end.
    """
    world = World(cell, receipts=True)
    states = tuple(replay(world, schedule.steps))
    rest = world.moves(states[-1])
    if rest:
        raise UsageError(f"the schedule ends early: {rest[0][0].actor} {rest[0][0].effect} is due")
    return Replay(world, schedule, states, world.outcome(states[-1]))


class DrawnStep(NamedTuple):
    """A line of the timeline: a field a participant, most of them empty."""

    label: str
    fields: list[str]
    mark: str


@dataclass(frozen=True, slots=True)
class DrawnSchedule:
    """A schedule drawn: a title, the timeline, what each client received, what was lost."""

    title: str
    columns: tuple[str, ...]
    steps: list[DrawnStep]
    ending: list[str]

    def text(self, width: int | None = None) -> str:
        """As lines of at most `width` characters, if possible a column a participant."""
        lines = self._side_by_side()
        if width is not None and max(map(len, lines)) > width:
            lines = [line for one in self._in_turn() for line in _wrapped(*one, width)]
        return "\n".join(lines) + "\n"

    def _side_by_side(self) -> list[str]:
        widths = [
            max(len(name), *(len(step.fields[place]) for step in self.steps))
            for place, name in enumerate(self.columns)
        ]
        lines = [self.title, "", _line("", list(self.columns), widths, "")]
        lines += [_line(label, fields, widths, mark) for label, fields, mark in self.steps]
        return [*lines, "", *self.ending]

    def _in_turn(self) -> Iterator[tuple[str, str, str]]:
        """A line a step: what comes first, what happens, and its mark."""
        yield from (("", self.title, ""), ("", "", ""))
        length = max(map(len, self.columns))
        for label, fields, mark in self.steps:
            happens = [(n, field) for n, field in zip(self.columns, fields, strict=True) if field]
            name, field = happens[0]
            told = ", ".join([f"{name:<{length}}  {field}", *map(" ".join, happens[1:])])
            sign, what = (mark, "") if mark in ("", "|") else (">", mark)
            yield f"{label:<5}{sign:<2}", told, what
        yield from (("", line, "") for line in ("", *self.ending))


def draw(run: Replay, first: int = 0, failure: Failure | None = None) -> str:
    """The text of `drawn`, as wide as it is."""
    return drawn(run, first, failure).text()


def drawn(run: Replay, first: int = 0, failure: Failure | None = None) -> DrawnSchedule:
    """The schedule, as it was run.

    The timeline begins with step `first`, counted from 0; what was before it is said in a line.
    Title and marks are of `failure`, which the schedule has to have, or of its worst.
    """
    failure = failure or worst(run)
    columns = _columns(run)
    grid = [_row(run, place, columns) for place in range(first, len(run.schedule.steps))]
    marks = _marks(run, failure)[first:]
    steps = [
        DrawnStep(f"T{number}", row, mark)
        for number, (row, mark) in enumerate(zip(grid, marks, strict=True), 1)
    ]
    if first:
        chunks = [step.chunk for step in run.schedule.steps[:first] if step.chunk is not None]
        written = f"write 1 to {max(chunks, default=0)}"
        steps.insert(0, DrawnStep("T0", [written, *[""] * (len(columns) - 1)], ""))
    return DrawnSchedule(_title(run, failure), columns, steps, _ending(run))


def drawn_for_ever(found: Liveness) -> DrawnSchedule | None:
    """The run that fails, up to where it stays, and what goes on there; None without one."""
    if found.verdict in (InTheEnd.CONVERGES, InTheEnd.UNKNOWN):
        return None
    cell = found.cell
    world = World(cell, receipts=True, endless=True)
    states = tuple(replay(world, found.stem))
    schedule = schedule_of(cell, found.stem)
    drawing = drawn(Replay(world, schedule, states, world.outcome(states[-1])))
    goes_on = ", ".join(f"{step.actor} {step.effect}" for step in found.cycle) or "nothing"
    return replace(drawing, ending=[*drawing.ending, f"From here on, for ever: {goes_on}"])


def drawn_breaking(cell: ExploreCell, schedule: Schedule, name: str) -> DrawnSchedule:
    """A schedule that breaks the named property."""
    drawing = drawn(rerun(cell, schedule))
    return replace(drawing, ending=[*drawing.ending, f"{name}: does not hold"])


def worst(run: Replay) -> Failure | None:
    """The failure that a reader minds most, None when all went well."""
    seen = failures(run.outcome)
    return next((failure for failure in _WORST_FIRST if seen[failure]), None)


def _wrapped(head: str, rest: str, mark: str, width: int) -> list[str]:
    """`rest` behind `head`, and the mark; what does not fit comes below, and what is longer than a
    line is broken.
    """
    room = max(width - len(head), _LEAST_ROOM)
    parts = textwrap.wrap(rest, room) or [""]
    if mark and len(parts[-1]) + 2 + len(mark) <= room:
        parts[-1] += f"  {mark}"
    elif mark:
        parts += textwrap.wrap(mark, room)
    indent = " " * len(head)
    return [f"{indent if place else head}{part}".rstrip() for place, part in enumerate(parts)]


def _line(label: str, row: list[str], widths: list[int], mark: str) -> str:
    cells = "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
    return f"{label:<5}{cells}   {mark}".rstrip()


def _title(run: Replay, failure: Failure | None) -> str:
    return f"{run.schedule.connect} x {run.schedule.write}: {_what(run, failure)}"


def _what(run: Replay, failure: Failure | None) -> str:
    if failure is None:
        return "nothing is lost"
    if failure is Failure.STUCK:
        return f"{', '.join(run.outcome.stuck)} waits for ever"
    if failure is Failure.LOSSY:
        chunk, client = _lost(run)
        return f"client{client} loses chunk {chunk}"
    if failure in _TOLD:
        return f"client{getattr(run.outcome, failure)[0]} {_TOLD[failure]}"
    receipt = _receipt(run, failure)
    words = {
        Failure.DUPLICATING: "gets chunk {0.chunk} twice",
        Failure.OUT_OF_ORDER: "gets chunk {0.chunk} after {0.latest}",
        Failure.REWINDING: "goes back from chunk {0.before} to {0.chunk}",
    }[failure]
    return f"client{receipt.client} {words.format(receipt)}"


class _Receipt(NamedTuple):
    """A chunk that a client receives at a step; the one before it, and the highest until then."""

    place: int
    client: int
    chunk: int
    before: int
    latest: int
    again: bool

    def has(self, failure: Failure) -> bool:
        """Whether it is what makes a schedule fail so."""
        late = self.chunk < self.latest and not self.again
        back = self.chunk < self.before
        return {
            Failure.DUPLICATING: self.again, Failure.OUT_OF_ORDER: late, Failure.REWINDING: back
        }[failure]  # fmt: skip


def _receipts(run: Replay) -> Iterator[_Receipt]:
    for place, (old, new) in enumerate(pairwise(run.states)):
        for client, (was, now) in enumerate(zip(old.joiners, new.joiners, strict=True), 1):
            for count in range(len(was.receipts), len(now.receipts)):
                until, chunk = now.receipts[:count], now.receipts[count]
                before = until[-1] if until else 0
                yield _Receipt(place, client, chunk, before, max(until, default=0), chunk in until)


def _receipt(run: Replay, failure: Failure) -> _Receipt:
    """The first that fails so."""
    return next(receipt for receipt in _receipts(run) if receipt.has(failure))


def _lost(run: Replay) -> tuple[int, int]:
    """The lowest lost chunk and the first client that lost it; zeros when nothing is."""
    lost = [
        (number, client) for client, numbers in enumerate(run.outcome.lost, 1) for number in numbers
    ]
    return min(lost, default=(0, 0))


def _columns(run: Replay) -> tuple[str, ...]:
    actors = {step.actor.partition(".")[0] for step in run.schedule.steps}
    life = run.schedule.life
    writers = {life.name(writer) for writer in range(life.writers)}
    writers |= {actor for actor in actors if actor.startswith(PRODUCERS)}
    clients = [f"client{place + 1}" for place in range(run.schedule.joiners)]
    nodes = sorted(actor for actor in actors if actor.startswith("node"))
    return (*sorted(writers), *(["store"] if "store" in actors else []), *nodes, *clients)


def _row(run: Replay, place: int, columns: tuple[str, ...]) -> list[str]:
    step = run.schedule.steps[place]
    before, after = run.states[place], run.states[place + 1]
    row = [""] * len(columns)
    actor, _, join = step.actor.partition(".join")
    prefix = f"[client{join}] " if join and run.schedule.joiners > 1 else ""
    row[columns.index(actor)] = prefix + _words(run, before, after, step)
    for number, (old, new) in enumerate(zip(before.joiners, after.joiners, strict=True), 1):
        received = new.receipts[len(old.receipts) :]
        gets = [_numbers(received)] if received else []
        gets += ["the end"] if new.ended and not old.ended else []
        if gets:
            row[columns.index(f"client{number}")] = f"gets {', '.join(gets)}"
        if new.node != old.node:
            row[columns.index(f"client{number}")] = f"joins again at node{new.node + 1}"
    return row


def _words(run: Replay, before: State, after: State, step: Step) -> str:
    words = _WORDS[step.effect].format(chunk="it" if step.chunk is None else step.chunk)
    if step.effect in _PUBLISHES or step.effect == "poke":
        receivers = run.world.answer(before, step)
        return f"{words} -> {receivers} receiver{'s' * (receivers != 1)}"
    if step.effect in ("read_history", "read_stream"):
        return f"{words} -> {_read(run, run.world.answer(before, step))}"
    if step.effect in ("read_head", "next_seq", "read_tail", "read_status"):
        return f"{words} -> {run.world.answer(before, step)}"
    if step.effect == "fetch":
        place = int(step.actor[-1]) - 1
        return f"{words}: numbers {'{} to {}'.format(*before.joiners[place].fetches[0])}"
    if step.effect == "subscribe" and not run.world.channels.newly_sent(before, after):
        return "share the subscription"
    return words


def _read(run: Replay, answer: Any) -> str:
    chunks = answer.chunks if isinstance(answer, StreamRead) else answer
    return _numbers(run.world.reception.numbers_of(chunks))


def _numbers(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "nothing"


def _marks(run: Replay, failure: Failure | None) -> list[str]:
    """The right margin: where the risk window starts and ends, or where it is that it fails."""
    marks = [""] * len(run.schedule.steps)
    if failure in _RECEIVED:
        receipt = _receipt(run, failure)
        marks[receipt.place] = f"<- {_RECEIVED[failure].format(receipt)}"
    if failure in _TOLD_MARKS:
        place, missing = _turn(run, failure)
        marks[place] = f"<- {_TOLD_MARKS[failure].format(_numbers(missing))}"
    window = _window(run) if failure is Failure.LOSSY else None
    if window is None:
        return marks
    first, last = window
    marks[first : last + 1] = ["|"] * (last + 1 - first)
    marks[first] = "<- RISK WINDOW starts"
    marks[last] = "<- RISK WINDOW ends" if last > first else "<- RISK WINDOW"
    return marks


def _turn(run: Replay, failure: Failure) -> tuple[int, tuple[int, ...]]:
    """The step that makes the first such client fail so, and the chunks that it is about."""
    client = getattr(run.outcome, failure)[0]
    lost, field = run.outcome.lost[client - 1], _TURNS_OF[failure]
    every = tuple(range(1, run.schedule.chunks + 1))
    for place, (old, new) in enumerate(pairwise(state.joiners[client - 1] for state in run.states)):
        was, now = getattr(old, field), getattr(new, field)
        if failure is Failure.FOREIGN and now and not was:
            return place, ()
        among = lost if failure is Failure.TOLD_RECOVERED else every
        about = tuple(number for number in among if (now & ~was) >> number & 1)
        if about:
            return place, about
    raise AssertionError("the schedule does not fail so")


def _window(run: Replay) -> tuple[int, int] | None:
    """First and last step of the lost chunk's risk window, or None without one.

    The history read and the subscription are those of the client's last join.
    """
    chunk, client = _lost(run)
    steps = run.schedule.steps
    written = [
        place
        for place, step in enumerate(steps)
        if step.chunk == chunk and step.effect != "next_seq"
    ]
    if not written or chunk in run.outcome.receipts[client - 1]:
        return None
    published = [place for place in written if steps[place].effect in _PUBLISHES]
    saved = [place for place in written if steps[place].effect in _SAVES]
    join = f"{_home(run, client)}.join{client}"
    read = [
        place
        for place, (actor, effect, _) in enumerate(steps)
        if actor == join and effect == "read_history"
    ]
    if not published or not saved or not read or _listens(run, run.states[published[0]], client):
        turns = [p for p, step in enumerate(steps) if step.effect in _TURNS and p > written[0]]
        return written[0], turns[0] if turns else len(steps) - 1
    listening = [
        place
        for place, state in enumerate(run.states[1:])
        if place > published[0] and _listens(run, state, client)
    ]
    return min(published[0], read[-1]), max(saved[0], *listening[:1], read[-1])


def _home(run: Replay, client: int) -> str:
    return f"node{run.states[-1].joiners[client - 1].node + 1}"


def _listens(run: Replay, state: State, client: int) -> bool:
    joiner = state.joiners[client - 1]
    return joiner.handover is not None and run.world.channels.confirmed(state, joiner.node)


def _ending(run: Replay) -> list[str]:
    lines = []
    everything = list(_receipts(run))
    for client, receipts in enumerate(run.outcome.receipts, 1):
        lost = run.outcome.lost[client - 1]
        lines.append(f"client{client} receives: {_numbers(receipts)}")
        again = tuple(number for number in sorted(set(receipts)) if receipts.count(number) > 1)
        if again:
            lines.append(f"client{client} receives again: {_numbers(again)}")
        late = tuple(
            r.chunk for r in everything if r.client == client and r.has(Failure.OUT_OF_ORDER)
        )
        if late:
            lines.append(f"client{client} receives late: {_numbers(late)}")
        over = run.states[-1].joiners[client - 1].ended
        if run.world.cell.ends:
            lines.append(f"client{client} {'learns' if over else 'NEVER LEARNS'} that it is over")
        hidden = [number for number in lost if number in receipts]
        gone = [number for number in lost if number not in receipts]
        lines += [f"Chunk {number}: LOST" for number in gone]
        lines += [f"Chunk {number}: received, and LOST to the reader" for number in hidden]
    return lines
