"""Properties of one's own (`chunk7.delivery.properties`), held against every schedule of a cell.

All that a reader was shown is part of a state here, in its order. So states are more than in a
search for the failures that chunk7 knows; schedules are not counted, and the shortest that breaks
a property is found first.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from chunk7.delivery.errors import OrderingError
from chunk7.delivery.properties import ReaderProperty
from chunk7.simulator.explore.graph import Graph, reached
from chunk7.simulator.explore.schedule import (
    Schedule,
    document,
)
from chunk7.simulator.explore.search import SearchLimits
from chunk7.simulator.explore.state import ExploreCell, State, cell_document, schedule_of
from chunk7.simulator.explore.unread_cursor import CursorRead
from chunk7.simulator.explore.world import World


class PropertyVerdict(StrEnum):
    """What all schedules of a cell say of a property."""

    HOLDS = "holds"
    """For every reader, at the end of every schedule."""
    BROKEN = "broken"
    """A schedule that breaks it is known."""
    UNKNOWN = "unknown"
    """The bound was reached before one was found."""


@dataclass(frozen=True, slots=True)
class PropertyCheck:
    """Of each property its verdict, and a shortest schedule that breaks it, if there is one."""

    cell: ExploreCell
    verdicts: Mapping[str, PropertyVerdict]
    examples: Mapping[str, Schedule]
    states: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """The cell in the JSON of `chunk7 explore --properties`."""
        return {
            **cell_document(self.cell),
            "states": self.states,
            "properties": {name: str(verdict) for name, verdict in self.verdicts.items()},
            "counterexamples": {name: document(one) for name, one in self.examples.items()},
        }


def check_properties(
    cell: ExploreCell, properties: Sequence[ReaderProperty], limits: SearchLimits | None = None
) -> PropertyCheck:
    """Hold the properties against the cell with one chunk, then two, and so on.

    `limits.max_schedules` bounds the states of a walk. Raises OrderingError as `explore` does, and
    for a property that raises or answers neither True nor False.
    """
    limits = limits or SearchLimits()
    began = time.monotonic()
    try:
        return _check(cell, properties, limits, began, blind=True)
    except CursorRead:
        return _check(cell, properties, limits, began, blind=False)


def _check(
    cell: ExploreCell,
    properties: Sequence[ReaderProperty],
    limits: SearchLimits,
    began: float,
    blind: bool,
) -> PropertyCheck:
    examples: dict[str, Schedule] = {}
    states, complete = 0, True
    for chunks in range(1, cell.chunks + 1):
        smaller = replace(cell, chunks=chunks)
        world = World(smaller, blind=blind, readers=True)
        graph = reached(world, limits, began + limits.max_seconds)
        states, complete = states + len(graph.states), graph.complete
        left = [each for each in properties if each.name not in examples]
        for name, place in _broken(world, graph, left).items():
            examples[name] = schedule_of(smaller, graph.stem(place))
    otherwise = PropertyVerdict.HOLDS if complete else PropertyVerdict.UNKNOWN
    verdicts = {
        each.name: PropertyVerdict.BROKEN if each.name in examples else otherwise
        for each in properties
    }
    return PropertyCheck(cell, verdicts, examples, states, time.monotonic() - began)


def _broken(world: World, graph: Graph, properties: Sequence[ReaderProperty]) -> dict[str, int]:
    """For each property that some end of a schedule breaks, the nearest such state."""
    broken: dict[str, int] = {}
    for place, due in enumerate(graph.due):
        for each in properties if not due else ():
            if each.name not in broken and not _holds(world, graph.states[place], each):
                broken[each.name] = place
    return broken


def _holds(world: World, state: State, each: ReaderProperty) -> bool:
    due = world.due(state)
    for joiner in state.joiners:
        if joiner.gone:
            continue
        shown = tuple(map(world.reception.chunk, joiner.told))
        try:
            holds = each.holds(shown, due)
        except Exception as error:
            raise OrderingError(f"{each.name}: {type(error).__name__}: {error}") from error
        if not isinstance(holds, bool):
            raise OrderingError(f"{each.name}: answers {holds!r}: must be True or False")
        if not holds:
            return False
    return True
