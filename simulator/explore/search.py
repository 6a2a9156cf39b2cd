"""Every interleaving of a cell's events, counted exactly; the verdict and the shortest failure.

A depth-first walk over states. A state that has been walked before is not walked again: how many
schedules lead on from it, and how many of them lose, is known, so the counts are exact numbers of
complete schedules though only states are visited.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from chunk7.delivery.contract import Contract
from chunk7.delivery.errors import OrderingError
from chunk7.simulator.explore.company import in_company, of_two, without_company
from chunk7.simulator.explore.counting import Level, levels, longest, shortest_ways, ways_by_kind
from chunk7.simulator.explore.coverage import expected_effects
from chunk7.simulator.explore.parted_world import PartedWorld, PartMove
from chunk7.simulator.explore.parts import Parts, canonical
from chunk7.simulator.explore.schedule import (
    Failure,
    Schedule,
    Step,
    document,
)
from chunk7.simulator.explore.state import (
    ExploreCell,
    ScheduleOutcome,
    cell_document,
    schedule_of,
)
from chunk7.simulator.explore.unread_cursor import CursorRead
from chunk7.simulator.explore.world import World

_UNDER_WAY = -1
_ONE_CLIENT = 2
"""The parts of a state with one."""
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


class ScheduleTally(NamedTuple):
    """The complete schedules, by how they end."""

    schedules: int
    lossy: int = 0
    duplicating: int = 0
    out_of_order: int = 0
    rewinding: int = 0
    stuck: int = 0
    unfinished: int = 0
    false_end: int = 0
    told_recovered: int = 0
    foreign: int = 0


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
    with _uncollected():
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
    with closing(PartedWorld(world)) as parted:
        visits = _Visits(parted)
        visits.walk(limits, deadline)
        return _found(visits)


def _found(visits: "_Visits") -> Search:
    children, failed = visits.children, visits.failed()
    total, counts = ways_by_kind(children, visits.ends(), [failed[kind] for kind in Failure])
    by_steps = levels(children) if any(counts) else []
    shortest = {
        kind: visits.first_of(shortest_ways(children, by_steps, failed[kind]))
        for kind in Failure
        if failed[kind]
    }
    return Search(
        tally=ScheduleTally(total, *counts),
        complete=visits.complete,
        states=len(children),
        transitions=visits.transitions,
        depth=longest(children),
        happened=frozenset(visits.world.effects),
        shortest=shortest,
    )


class _Visits:
    """What a walk has come to. States are numbered as they are finished, those after them first."""

    def __init__(self, world: PartedWorld) -> None:
        self.world = world
        self.known: dict[Parts, int] = {}
        self.children: list[tuple[int, ...]] = []
        self.transitions = 0
        self.complete = True
        self._ends: dict[Parts, dict[Failure, int]] = {}

    def walk(self, limits: SearchLimits, deadline: float) -> None:
        """Depth first; a way ends in a state without moves, or in one that is known."""
        several = len(self.world.initial()) > _ONE_CLIENT
        known, children = self.known, self.children
        above: list[tuple[Parts, Iterator[PartMove], list[int]]] = []
        here, within, walked = self.world.initial(), True, 0
        moves, after_it = iter(self._enter(here)), list[int]()
        while True:
            for _, after in moves:
                if several:
                    after = canonical(after)
                number = known.get(after)
                if number is not None:
                    if number == _UNDER_WAY:
                        raise OrderingError(
                            "the client asks for ever: a state has come round again"
                        )
                    after_it.append(number)
                    walked += 1
                elif within:
                    above.append((here, moves, after_it))
                    found = self._enter(after)
                    here, moves, after_it = after, iter(found), []
                    walked += not found
                    limits.tick()
                    if not len(known) % STATES_A_LOOK:
                        within = time.monotonic() < deadline
                    within = within and walked < limits.max_schedules
                    break
                else:
                    self.complete = False
            else:
                known[here] = number = len(children)
                children.append(tuple(after_it))
                if not above:
                    break
                here, moves, after_it = above.pop()
                after_it.append(number)

    def _enter(self, parts: Parts) -> list[PartMove]:
        self.known[parts] = _UNDER_WAY
        moves = self.world.moves(parts)
        if not moves:
            self._ends[parts] = _ending(self.world.outcome(parts))
        moves += self.world.optional_moves(parts)
        self.transitions += len(moves)
        return moves

    def ends(self) -> set[int]:
        """The states in which a schedule is complete."""
        return {self.known[parts] for parts in self._ends}

    def failed(self) -> dict[Failure, dict[int, int]]:
        """For each failure those in which it has happened; of a loss the lowest chunk."""
        failed: dict[Failure, dict[int, int]] = {kind: {} for kind in Failure}
        for parts, ending in self._ends.items():
            for kind, chunk in ending.items():
                failed[kind][self.known[parts]] = chunk
        return failed

    def first_of(self, ways: Sequence[Level]) -> tuple[Step, ...]:
        """Of the ways that go through such states the first, in the order of moves."""
        here, steps = self.world.initial(), list[Step]()
        for level in ways[1:]:
            moves = [*self.world.moves(here), *self.world.optional_moves(here)]
            step, here = next(
                (step, after) for step, after in moves if self.known.get(canonical(after)) in level
            )
            steps.append(step)
        return tuple(steps)


def _ending(outcome: ScheduleOutcome) -> dict[Failure, int]:
    """How a schedule went wrong; with a loss goes the lowest chunk that is lost."""
    lowest = min((number for numbers in outcome.lost for number in numbers), default=0)
    return {
        kind: lowest if kind is Failure.LOSSY else 0
        for kind, happened in failures(outcome).items()
        if happened
    }


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage in cycles: a search leaves none, and has millions of tuples."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
