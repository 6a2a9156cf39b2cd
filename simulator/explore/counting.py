"""Adding up over a graph without cycles, whose states are numbered after all that follow them.

So the last is the initial state, and one pass from 0 on finds for every state what is asked.
"""

from collections.abc import Collection, Mapping, Sequence

Children = Sequence[Sequence[int]]
"""Of each state those that its moves lead to, as often as they do."""

STEP = 256
NEVER = 2**60
Distance = int
"""To an end: STEP a step, something less than STEP on top; NEVER or more when there is none."""


def ways(children: Children, ends: Collection[int]) -> int:
    """How many ways lead from the last state to one of the ends."""
    counts: list[int] = []
    for number, after in enumerate(children):
        counts.append(sum(map(counts.__getitem__, after), number in ends))
    return counts[-1]


def distances(children: Children, ends: Mapping[int, int]) -> list[Distance]:
    """From every state to the nearest of the ends; `ends` says what to put on top."""
    nearest: list[Distance] = []
    for number, after in enumerate(children):
        through = min(map(nearest.__getitem__, after), default=NEVER) + STEP
        nearest.append(min(through, ends[number]) if number in ends else through)
    return nearest


def longest(children: Children) -> int:
    """The steps of the longest way from the last state."""
    depths: list[int] = []
    for after in children:
        depths.append(1 + max(map(depths.__getitem__, after), default=-1))
    return depths[-1]
