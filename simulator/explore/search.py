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

from chunk7.delivery.errors import OrderingError
from chunk7.simulator.explore.schedule import Schedule, Step, document
from chunk7.simulator.explore.state import Cell, Outcome, State
from chunk7.simulator.explore.unread_cursor import CursorRead
from chunk7.simulator.explore.world import World

_STATES_A_LOOK = 256
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
class Limits:
    """Where to stop: `max_schedules` walks that end in a complete schedule or in a known state,
    or `max_seconds` a cell. `tick` is called at every new state, as a sign of life.
    """

    max_schedules: int = 1_000_000
    max_seconds: float = 60.0
    tick: Callable[[], None] = lambda: None


class Failure(StrEnum):
    """How a schedule can go wrong; the names of the counts in the JSON."""

    LOSSY = "lossy"
    DUPLICATING = "duplicating"
    OUT_OF_ORDER = "out_of_order"
    STUCK = "stuck"


_STEP = 256
_NONE = 2**60
Distance = int
"""To a failure: _STEP a step, the lowest lost chunk on top; _NONE or more when there is none."""


class Tally(NamedTuple):
    """The complete schedules that lead on from a state, by how they end."""

    schedules: int = 0
    lossy: int = 0
    duplicating: int = 0
    out_of_order: int = 0
    stuck: int = 0
    nearest: tuple[Distance, Distance, Distance, Distance] = (_NONE,) * 4
    """In the order of `Failure`."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a walk has found. `steps` counts the events executed, `states` the different states."""

    tally: Tally
    complete: bool
    states: int
    steps: int
    shortest: Mapping[Failure, tuple[Step, ...]]
    """For each failure found, the schedule with the fewest steps, then the lowest lost chunk."""


@dataclass(frozen=True, slots=True)
class Result:
    """A cell's verdict. `counterexample` has the fewest chunks, then the fewest steps."""

    cell: Cell
    verdict: ExploreVerdict
    search: Search
    counterexample: Schedule | None
    seconds: float

    def document(self) -> dict[str, Any]:
        """The cell in the JSON of `chunk7 explore`."""
        tally = self.search.tally
        example = document(self.counterexample)["steps"] if self.counterexample else None
        return {
            "connect": self.cell.connect.name,
            "write": self.cell.write.name,
            "faults": list(self.cell.faults),
            "resumes": self.cell.resumes,
            "verdict": str(self.verdict),
            "schedules": tally.schedules,
            "lossy": tally.lossy,
            "duplicating": tally.duplicating,
            "out_of_order": tally.out_of_order,
            "stuck": tally.stuck,
            "complete": self.search.complete,
            "counterexample": example,
        }


def explore(cell: Cell, limits: Limits | None = None) -> Result:
    """Explore a cell. Raises OrderingError when one of its orderings breaks the protocol.

    The counter-example is sought with 1 chunk, then 2, and so on: a hole in a short session is
    easier to read than one in a long one. A loss so found counts, too, when the whole cell is
    too big to be explored.
    """
    limits = limits or Limits()
    began = time.monotonic()
    try:
        return _explore(cell, limits, began, blind=True)
    except CursorRead:
        return _explore(cell, limits, began, blind=False)


def _explore(cell: Cell, limits: Limits, began: float, blind: bool) -> Result:
    deadline = began + limits.max_seconds
    search = walk(World(cell, blind=blind), limits, deadline)
    loss: Schedule | None = None
    jam: Schedule | None = None
    if {Failure.LOSSY, Failure.STUCK} & search.shortest.keys() or not search.complete:
        for chunks in range(1, cell.chunks + 1):
            smaller = replace(cell, chunks=chunks)
            found = (
                search
                if chunks == cell.chunks
                else walk(World(smaller, blind=blind), limits, deadline)
            )
            loss = loss or _schedule(smaller, found.shortest.get(Failure.LOSSY))
            jam = jam or _schedule(smaller, found.shortest.get(Failure.STUCK))
            if loss or (jam and search.complete and Failure.LOSSY not in search.shortest):
                break
    verdict = ExploreVerdict.LOSSLESS if search.complete else ExploreVerdict.UNKNOWN
    if loss:
        verdict = ExploreVerdict.LOSES
    return Result(cell, verdict, search, loss or jam, time.monotonic() - began)


def walk(world: World, limits: Limits, deadline: float) -> Search:
    """Visit every state once, from the initial one on; go no deeper once a limit is reached.

    `deadline` is an instant of time.monotonic().
    """
    known: dict[State, Tally | None] = {}  # None: under way
    here = _Visit(world, world.initial())
    known[here.state] = None
    above: list[_Visit] = []
    walked = steps = 0
    complete = within = True
    while True:
        if here.place == len(here.moves):
            known[here.state] = tally = here.tally()
            if not above:
                break
            here = above.pop()
            here.add(tally)
            continue
        after = here.moves[here.place][1]
        here.place += 1
        steps += 1
        if after in known:
            here.add(_finished(known[after]))
            walked += 1
        elif within:
            known[after] = None
            above.append(here)
            here = _Visit(world, after)
            walked += not here.moves
            limits.tick()
            if not len(known) % _STATES_A_LOOK:
                within = time.monotonic() < deadline
            within = within and walked < limits.max_schedules
        else:
            complete = False
    shortest = {
        failure: _shortest(world, known, place)
        for place, failure in enumerate(Failure)
        if tally.nearest[place] < _NONE
    }
    return Search(tally, complete, len(known), steps, shortest)


class _Visit:
    """A state whose futures are being added up."""

    __slots__ = ("_counts", "_nearest", "moves", "place", "state")

    def __init__(self, world: World, state: State) -> None:
        self.state = state
        self.place = 0
        self.moves = world.moves(state)
        self._counts = (0, 0, 0, 0, 0)
        self._nearest = (_NONE,) * 4
        if not self.moves:
            self._end(world.outcome(state))
        if state.faults:
            self.moves += world.fault_moves(state)

    def _end(self, outcome: Outcome) -> None:
        chunk = min((number for numbers in outcome.lost for number in numbers), default=0)
        ends = (bool(chunk), outcome.duplicated, outcome.disordered, bool(outcome.stuck))
        self._counts = (1, *ends)
        lossy, duplicating, out_of_order, stuck = (0 if failed else _NONE for failed in ends)
        self._nearest = (lossy + chunk, duplicating, out_of_order, stuck)

    def add(self, tally: Tally) -> None:
        """One more move has been followed to all its ends."""
        a, b = self._counts, tally
        self._counts = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4])
        n, m = self._nearest, tally.nearest
        self._nearest = (
            min(n[0], m[0] + _STEP),
            min(n[1], m[1] + _STEP),
            min(n[2], m[2] + _STEP),
            min(n[3], m[3] + _STEP),
        )

    def tally(self) -> Tally:
        """The sum."""
        return Tally(*self._counts, self._nearest)


def _finished(tally: Tally | None) -> Tally:
    if tally is None:
        raise OrderingError("the client asks for ever: a state has come round again")
    return tally


def _shortest(world: World, known: dict[State, Tally | None], place: int) -> tuple[Step, ...]:
    """Follow the nearest failure of a kind from the initial state to its end."""
    state = world.initial()
    steps: list[Step] = []
    distance = _finished(known[state]).nearest[place]
    while distance >= _STEP:
        distance -= _STEP
        moves = [*world.moves(state), *world.fault_moves(state)]
        step, state = next(
            (step, after)
            for step, after in moves
            if after in known and _finished(known[after]).nearest[place] == distance
        )
        steps.append(step)
    return tuple(steps)


def _schedule(cell: Cell, steps: tuple[Step, ...] | None) -> Schedule | None:
    if steps is None:
        return None
    connect, write = cell.connect.name, cell.write.name
    return Schedule(
        connect, write, cell.chunks, cell.joiners, cell.faults, steps, resumes=cell.resumes
    )
