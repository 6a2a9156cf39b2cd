"""All states of a world and the moves between them, nearest first."""

import time
from collections import deque
from dataclasses import dataclass, field

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.search import STATES_A_LOOK, SearchLimits
from chunk7.simulator.explore.state import State
from chunk7.simulator.explore.world import World


@dataclass(slots=True)
class Graph:
    """States as numbers, nearest first; of each its moves, and from where it was reached first.

    The first `due` of a state's moves are those that fairness is about; the others need not happen.
    """

    states: list[State] = field(default_factory=list)
    due: list[int] = field(default_factory=list)
    moves: list[list[tuple[Step, int]]] = field(default_factory=list)
    reached: list[tuple[int, Step] | None] = field(default_factory=list)
    complete: bool = True

    def stem(self, place: int) -> tuple[Step, ...]:
        """A shortest way from the initial state."""
        steps: list[Step] = []
        here = self.reached[place]
        while here is not None:
            steps.append(here[1])
            here = self.reached[here[0]]
        return tuple(reversed(steps))


def reached(world: World, limits: SearchLimits, deadline: float) -> Graph:
    """Every state, breadth first. Where a bound is reached, the rest have no moves.

    `limits.max_schedules` bounds the states, `deadline` is an instant of time.monotonic().
    """
    graph = Graph()
    numbers: dict[State, int] = {}
    waiting: deque[int] = deque()

    def number(state: State, reached: tuple[int, Step] | None) -> int:
        known = numbers.get(state)
        if known is None:
            known = numbers[state] = len(graph.states)
            graph.states.append(state)
            graph.reached.append(reached)
            waiting.append(known)
        return known

    number(world.initial(), None)
    while waiting:
        here = waiting.popleft()
        state = graph.states[here]
        moves = world.moves(state)
        graph.due.append(len(moves))
        moves += world.optional_moves(state)
        graph.moves.append([(step, number(after, (here, step))) for step, after in moves])
        limits.tick()
        late = not here % STATES_A_LOOK and time.monotonic() > deadline
        if late or len(graph.states) > limits.max_schedules:
            graph.complete = False
            break
    return graph
