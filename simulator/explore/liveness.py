"""In the end every client has everything, and knows that it is over.

Whether that holds, if what can go on does go on.

`search` asks what a finished schedule has lost, and so lets each client have a few heartbeats only.
Here they never end, schedules are endless, and what is asked is where fair ones can stay for ever.
Fair is weakly fair: an event (an actor's effect) that can happen from some moment on, without a
break, does happen some time (L. Lamport, "Specifying Systems", chapter 8). Faults need not strike.

A run that stays somewhere for ever goes round in a strongly connected set of states; what a client
has been shown only grows, so it is the same in all of them. The set can be stayed in fairly if each
event that is possible in all of its states is taken between some of them.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from chunk7.simulator.explore.graph import Graph, reached
from chunk7.simulator.explore.schedule import (
    Step,
)
from chunk7.simulator.explore.search import SearchLimits
from chunk7.simulator.explore.state import ExploreCell, cell_document
from chunk7.simulator.explore.unread_cursor import CursorRead
from chunk7.simulator.explore.world import World


class InTheEnd(StrEnum):
    """What all fair runs of a cell come to."""

    CONVERGES = "converges"
    """Every client has been shown everything and been told of the end, if any; nobody waits."""
    STARVES = "starves"
    """A fair run is known in which some client never gets some chunk, or waits for ever."""
    UNFINISHED = "unfinished"
    """Nobody starves, but a fair run is known in which some client never learns of the end."""
    RESTLESS = "restless"
    """Nothing of that, but in a fair run something goes on for ever that brings nothing."""
    UNKNOWN = "unknown"
    """The bound was reached before one was found."""


_WORST = (InTheEnd.STARVES, InTheEnd.UNFINISHED, InTheEnd.RESTLESS)


@dataclass(frozen=True, slots=True)
class Liveness:
    """A cell's verdict. A run that fails goes through `stem`, and then for ever through `cycle`.

    `cell` is the given one, or one with fewer chunks that fails already. `cycle` has every event
    that goes on, once; nothing where nothing can happen any more. `states` are those of all walks.
    """

    cell: ExploreCell
    verdict: InTheEnd
    stem: tuple[Step, ...]
    cycle: tuple[Step, ...]
    states: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """The cell in the JSON of `chunk7 explore --liveness`."""
        return {
            **cell_document(self.cell),
            "verdict": str(self.verdict),
            "states": self.states,
            "chunks": self.cell.chunks,
            "stem": [step._asdict() for step in self.stem],
            "cycle": [step._asdict() for step in self.cycle],
        }


def in_the_end(cell: ExploreCell, limits: SearchLimits | None = None) -> Liveness:
    """Look for a fair run that starves, with one chunk, then two, and so on; or else the next best.

    `limits.max_schedules` bounds the states of a walk. Raises OrderingError as `explore` does.
    """
    limits = limits or SearchLimits()
    began = time.monotonic()
    try:
        return _in_the_end(cell, limits, began, blind=True)
    except CursorRead:
        return _in_the_end(cell, limits, began, blind=False)


def _in_the_end(cell: ExploreCell, limits: SearchLimits, began: float, blind: bool) -> Liveness:
    states, complete = 0, True
    lesser: Liveness | None = None
    for chunks in range(1, cell.chunks + 1):
        smaller = replace(cell, chunks=chunks)
        world = World(smaller, blind=blind, endless=True)
        graph = reached(world, limits, began + limits.max_seconds)
        states += len(graph.states)
        complete = graph.complete
        for verdict, trap in _traps(world, graph):
            stem, cycle = graph.stem(min(trap)), _within(graph, trap)
            found = Liveness(smaller, verdict, stem, cycle, states, time.monotonic() - began)
            if verdict is InTheEnd.STARVES:
                return found
            if lesser is None or _WORST.index(verdict) < _WORST.index(lesser.verdict):
                lesser = found
    if lesser is not None:
        return replace(lesser, states=states, seconds=time.monotonic() - began)
    verdict = InTheEnd.CONVERGES if complete else InTheEnd.UNKNOWN
    return Liveness(cell, verdict, (), (), states, time.monotonic() - began)


def _traps(world: World, graph: Graph) -> list[tuple[InTheEnd, frozenset[int]]]:
    """The sets of states in which a fair run stays though it should not; nearest first."""
    traps = [
        (verdict, trap)
        for trap in components(graph.moves)
        if _fair(graph, trap)
        for verdict in (_wrong(world, graph, trap),)
        if verdict is not None
    ]
    return sorted(traps, key=lambda found: min(found[1]))


def _wrong(world: World, graph: Graph, trap: frozenset[int]) -> InTheEnd | None:
    """What is wrong with staying there, if anything.

    A chunk is missing, or the same one waits in all of its states; or somebody has not been told
    that it is over; or it is no single state. Who has what is the same in all of them.
    """
    outcomes = [world.outcome(graph.states[place]) for place in trap]
    waiting = set(outcomes[0].stuck).intersection(*(outcome.stuck for outcome in outcomes))
    if any(outcomes[0].lost) or waiting:
        return InTheEnd.STARVES
    if outcomes[0].unfinished:
        return InTheEnd.UNFINISHED
    return InTheEnd.RESTLESS if len(trap) > 1 else None


def _fair(graph: Graph, trap: frozenset[int]) -> bool:
    """Whether whatever is possible all the time happens; it does where there are no moves."""
    possible: Counter[tuple[str, str]] = Counter()
    taken: set[tuple[str, str]] = set()
    for place in trap:
        moves = [
            ((step.actor, step.effect), after)
            for step, after in graph.moves[place][: graph.due[place]]
        ]
        possible.update({event for event, _ in moves})
        taken.update(event for event, after in moves if after in trap)
    return all(event in taken for event, count in possible.items() if count == len(trap))


def _within(graph: Graph, trap: frozenset[int]) -> tuple[Step, ...]:
    """The events that lead from the trap into the trap, each once."""
    steps = (step for place in sorted(trap) for step, after in graph.moves[place] if after in trap)
    return tuple(dict.fromkeys(steps))


def components(moves: Sequence[Sequence[tuple[Step, int]]]) -> list[frozenset[int]]:
    """The strongly connected components of states 0, 1, ..., given the moves of each.

    R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1972, without
    recursion. A move to a state that is not there does not count.
    """
    found: list[frozenset[int]] = []
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[tuple[int, Iterator[tuple[Step, int]]]] = []
    stack: list[int] = []
    unfinished: set[int] = set()

    def enter(here: int) -> None:
        order[here] = lowest[here] = len(order)
        stack.append(here)
        unfinished.add(here)
        path.append((here, iter(moves[here])))

    for root in range(len(moves)):
        if root not in order:
            enter(root)
        while path:
            here, rest = path[-1]
            after = next((after for _, after in rest if after < len(moves)), None)
            if after is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[here])
                if lowest[here] == order[here]:
                    found.append(_closed(here, stack, unfinished))
            elif after not in order:
                enter(after)
            elif after in unfinished:
                lowest[here] = min(lowest[here], order[after])
    return found


def _closed(here: int, stack: list[int], unfinished: set[int]) -> frozenset[int]:
    """Take the component of `here` off the stack."""
    members: set[int] = set()
    while here not in members:
        members.add(stack.pop())
    unfinished -= members
    return frozenset(members)
