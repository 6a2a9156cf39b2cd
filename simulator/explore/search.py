"""Every interleaving of a cell's events, counted exactly; the verdict and the shortest failure.

A depth-first walk over states. A state that has been walked before is not walked again: how many
schedules lead on from it, and how many of them lose, is known, so the counts are exact numbers of
complete schedules though only states are visited.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from chunk7.delivery.contract import Contract
from chunk7.delivery.errors import OrderingError
from chunk7.simulator.explore.company import in_company, of_two, without_company
from chunk7.simulator.explore.coverage import expected_effects
from chunk7.simulator.explore.schedule import (
    Failure,
    Schedule,
    Step,
    document,
)
from chunk7.simulator.explore.state import (
    ExploreCell,
    ScheduleOutcome,
    State,
    canonical,
    cell_document,
    schedule_of,
)
from chunk7.simulator.explore.unread_cursor import CursorRead
from chunk7.simulator.explore.world import World

STATES_A_LOOK = 256
"""How many states are visited between two looks at the clock."""


class ExploreVerdict(StrEnum):
    """What all the schedules of a cell say together."""

    LOSSLESS = "lossless"
    """Every schedule was explored, and none loses a chunk."""
    LOSES = "loses"
    """A schedule that loses a chunk is known."""
    UNKNOWN = "unknown"
    """The bound was reached before a loss was found; there may be one beyond it."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """Where to stop: `max_schedules` walks that end in a complete schedule or in a known state,
    or `max_seconds` a cell. `tick` is called at every new state, as a sign of life.
    """

    max_schedules: int = 1_000_000
    max_seconds: float = 60.0
    tick: Callable[[], None] = lambda: None


_STEP = 256
_NONE = 2**60
Distance = int
"""To a failure: _STEP a step, the lowest lost chunk on top; _NONE or more when there is none."""


class ScheduleTally(NamedTuple):
    """The complete schedules that lead on from a state, by how they end.

    Distances and depth are counted from the move into the state.
    """

    schedules: int = 0
    lossy: int = 0
    duplicating: int = 0
    out_of_order: int = 0
    rewinding: int = 0
    stuck: int = 0
    unfinished: int = 0
    false_end: int = 0
    told_recovered: int = 0
    foreign: int = 0
    nearest: tuple[Distance, ...] = (_NONE,) * len(Failure)
    """In the order of `Failure`."""
    depth: int = 0
    """The longest of them."""


_NO_COUNTS: tuple[int, ...] = (0,) * (1 + len(Failure))
_NOWHERE: tuple[Distance, ...] = (_NONE,) * len(Failure)


@dataclass(frozen=True, slots=True)
class Search:
    """What a walk has found.

    `states` are different ones, `transitions` the events executed, `depth` those of the longest
    schedule.
    """

    tally: ScheduleTally
    complete: bool
    states: int
    transitions: int
    depth: int
    happened: frozenset[str]
    """The effects of all these events."""
    shortest: Mapping[Failure, tuple[Step, ...]]
    """For each failure found, the schedule with the fewest steps, then the lowest lost chunk."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """A cell's verdict.

    `counterexamples` has a schedule for each failure found: the fewest chunks, then the fewest
    steps. `never` are effects that could have been expected (`explore_coverage`) and that no
    schedule has. `transitions` are those of all walks, counter-examples' included. `by_company`:
    the verdict is that of one client among any number (`chunk7.simulator.explore.company`).
    """

    cell: ExploreCell
    verdict: ExploreVerdict
    search: Search
    counterexamples: Mapping[Failure, Schedule]
    never: tuple[str, ...]
    transitions: int
    seconds: float
    by_company: bool = False

    @property
    def counterexample(self) -> Schedule | None:
        """The one that loses, else one in which somebody waits for ever, else None."""
        examples = self.counterexamples
        return examples.get(Failure.LOSSY) or examples.get(Failure.STUCK)

    def _possible(self) -> list[Failure]:
        """What can be counted in the cell: not every one has an end, or vouches for anything."""
        tally, cell = self.search.tally, self.cell
        possible = {
            Failure.UNFINISHED: cell.ends,
            Failure.FALSE_END: cell.ends,
            Failure.TOLD_RECOVERED: "send_control" in expected_effects(cell),
            Failure.FOREIGN: cell.contract is Contract.FROM_MESSAGE,
        }
        return [kind for kind in Failure if possible.get(kind, True) or getattr(tally, kind)]

    def document(self) -> dict[str, Any]:
        """The cell in the JSON of `chunk7 explore`."""
        tally = self.search.tally
        return {
            **cell_document(self.cell),
            "verdict": str(self.verdict),
            "schedules": tally.schedules,
            **{str(failure): getattr(tally, failure) for failure in self._possible()},
            "complete": self.search.complete,
            "states": self.search.states,
            "transitions": self.search.transitions,
            "depth": self.search.depth,
            "never": list(self.never),
            **({"by_company": True} if self.by_company else {}),
            "counterexamples": {
                str(failure): document(example) for failure, example in self.counterexamples.items()
            },
        }


def explore(cell: ExploreCell, limits: SearchLimits | None = None) -> Exploration:
    """Explore a cell. Raises OrderingError when one of its orderings breaks the protocol.

    Counter-examples are sought with 1 chunk, then 2, and so on: a hole in a short session is
    easier to read than one in a long one. A loss so found counts, too, when the whole cell is
    too big to be explored.
    """
    limits = limits or SearchLimits()
    began = time.monotonic()
    try:
        result = _explore(cell, limits, began, blind=True)
    except CursorRead:
        result = _explore(cell, limits, began, blind=False)
    if result.verdict is not ExploreVerdict.UNKNOWN or cell.joiners == 1 or without_company(cell):
        return result
    alone = explore(in_company(cell), limits)
    return replace(
        result,
        verdict=alone.verdict,
        counterexamples={**alone.counterexamples, **result.counterexamples},
        transitions=result.transitions + alone.transitions,
        seconds=time.monotonic() - began,
        by_company=alone.verdict is not ExploreVerdict.UNKNOWN,
    )


def _explore(cell: ExploreCell, limits: SearchLimits, began: float, blind: bool) -> Exploration:
    deadline = began + limits.max_seconds
    search = walk(World(cell, blind=blind), limits, deadline)
    transitions = search.transitions
    sought = {*search.shortest, *(() if search.complete else (Failure.LOSSY,))}
    found: dict[Failure, Schedule] = {}
    for chunks in range(1, cell.chunks + 1):
        if not sought - found.keys():
            break
        smaller, walked = replace(cell, chunks=chunks), search
        if chunks < cell.chunks:
            walked = walk(World(smaller, blind=blind), limits, deadline)
            transitions += walked.transitions
        for failure in walked.shortest.keys() - found.keys():
            example = schedule_of(smaller, walked.shortest[failure])
            real = of_two(smaller, example) if cell.company else example
            if real is not None:
                found[failure] = real
    verdict = ExploreVerdict.LOSSLESS if search.complete else ExploreVerdict.UNKNOWN
    if search.tally.lossy:  # in company it may be a schedule that no others could bring about
        verdict = ExploreVerdict.UNKNOWN
    if Failure.LOSSY in found:
        verdict = ExploreVerdict.LOSES
    examples = {failure: found[failure] for failure in Failure if failure in found}
    never = tuple(sorted(expected_effects(cell) - search.happened))
    seconds = time.monotonic() - began
    return Exploration(
        cell, verdict, search, examples, never, transitions, seconds, by_company=cell.company
    )


def walk(world: World, limits: SearchLimits, deadline: float) -> Search:
    """Visit every state once, from the initial one on; go no deeper once a limit is reached.

    Two states that differ in the names of the clients only are one: as many schedules lead on from
    either, and end in the same ways. `deadline` is an instant of time.monotonic().
    """
    several = world.cell.joiners > 1
    known: dict[State, ScheduleTally | None] = {}  # None: under way
    here = _Visit(world, world.initial())
    known[here.state] = None
    above: list[_Visit] = []
    happened: set[str] = set()
    walked = transitions = 0
    complete = within = True
    while True:
        if here.place == len(here.moves):
            known[here.state] = tally = here.tally()
            if not above:
                break
            here = above.pop()
            here.add(tally)
            continue
        step, after = here.moves[here.place]
        if several:
            after = canonical(after)
        here.place += 1
        transitions += 1
        happened.add(step.effect)
        if after in known:
            here.add(_finished(known[after]))
            walked += 1
        elif within:
            known[after] = None
            above.append(here)
            here = _Visit(world, after)
            walked += not here.moves
            limits.tick()
            if not len(known) % STATES_A_LOOK:
                within = time.monotonic() < deadline
            within = within and walked < limits.max_schedules
        else:
            complete = False
    shortest = {
        failure: _shortest(world, known, place)
        for place, failure in enumerate(Failure)
        if tally.nearest[place] < _NONE
    }
    depth = tally.depth - 1
    return Search(tally, complete, len(known), transitions, depth, frozenset(happened), shortest)


class _Visit:
    """A state whose futures are being added up."""

    __slots__ = ("_counts", "_depth", "_nearest", "moves", "place", "state")

    def __init__(self, world: World, state: State) -> None:
        self.state = state
        self.place = 0
        self.moves = world.moves(state)
        self._counts = _NO_COUNTS
        self._nearest = _NOWHERE
        self._depth = 0
        if not self.moves:
            self._end(world.outcome(state))
        if state.faults or world.cell.company:
            self.moves += world.optional_moves(state)

    def _end(self, outcome: ScheduleOutcome) -> None:
        seen = tuple(failures(outcome).values())
        chunk = min((number for numbers in outcome.lost for number in numbers), default=0)
        self._counts = (1, *seen)
        self._nearest = (
            chunk if seen[0] else _NONE,
            *(0 if happened else _NONE for happened in seen[1:]),
        )

    def add(self, tally: ScheduleTally) -> None:
        """One more move has been followed to all its ends."""
        a, b = self._counts, tally
        self._counts = (
            a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5],
            a[6] + b[6], a[7] + b[7], a[8] + b[8], a[9] + b[9],
        )  # fmt: skip
        n, m = self._nearest, tally.nearest
        self._nearest = (  # not min(): it takes longer than all the rest
            n[0] if n[0] <= m[0] else m[0],
            n[1] if n[1] <= m[1] else m[1],
            n[2] if n[2] <= m[2] else m[2],
            n[3] if n[3] <= m[3] else m[3],
            n[4] if n[4] <= m[4] else m[4],
            n[5] if n[5] <= m[5] else m[5],
            n[6] if n[6] <= m[6] else m[6],
            n[7] if n[7] <= m[7] else m[7],
            n[8] if n[8] <= m[8] else m[8],
        )
        if tally.depth > self._depth:
            self._depth = tally.depth

    def tally(self) -> ScheduleTally:
        """The sum, as it is before the move that leads here."""
        a, b, c, d, e, f, g, h, i = self._nearest
        nearest = (
            a + _STEP, b + _STEP, c + _STEP, d + _STEP, e + _STEP,
            f + _STEP, g + _STEP, h + _STEP, i + _STEP,
        )  # fmt: skip
        return ScheduleTally._make((*self._counts, nearest, self._depth + 1))


def failures(outcome: ScheduleOutcome) -> dict[Failure, bool]:
    """How a schedule went wrong."""
    return {
        Failure.LOSSY: any(outcome.lost),
        Failure.DUPLICATING: outcome.duplicated,
        Failure.OUT_OF_ORDER: outcome.disordered,
        Failure.REWINDING: outcome.rewound,
        Failure.STUCK: bool(outcome.stuck),
        Failure.UNFINISHED: bool(outcome.unfinished),
        Failure.FALSE_END: bool(outcome.false_end),
        Failure.TOLD_RECOVERED: bool(outcome.told_recovered),
        Failure.FOREIGN: bool(outcome.foreign),
    }


def _finished(tally: ScheduleTally | None) -> ScheduleTally:
    if tally is None:
        raise OrderingError("the client asks for ever: a state has come round again")
    return tally


def _shortest(
    world: World, known: dict[State, ScheduleTally | None], place: int
) -> tuple[Step, ...]:
    """Follow the nearest failure of a kind from the initial state to its end."""
    several = world.cell.joiners > 1
    state = world.initial()
    steps: list[Step] = []
    distance = _finished(known[state]).nearest[place] - _STEP
    while distance >= _STEP:
        ways = [
            (canonical(after) if several else after, step, after)
            for step, after in [*world.moves(state), *world.optional_moves(state)]
        ]
        step, state = next(
            (step, after)
            for one, step, after in ways
            if one in known and _finished(known[one]).nearest[place] == distance
        )
        steps.append(step)
        distance -= _STEP
    return tuple(steps)
