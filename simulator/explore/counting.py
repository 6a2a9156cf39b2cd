"""Counting over a graph without cycles, whose states are numbered after all that follow them.

So the last is the initial state, and one pass from 0 on finds for every state what is asked.
"""

from collections.abc import Collection, Mapping, Sequence

Children = Sequence[Sequence[int]]
"""Of each state those that its moves lead to, as often as they do."""
Level = frozenset[int]
"""States that are as many steps from the initial one."""


def ways(children: Children, weights: Mapping[int, int]) -> int:
    """The sum over all ways from the initial state to those that weigh something, of that."""
    sums: list[int] = []
    for number, after in enumerate(children):
        sums.append(sum(map(sums.__getitem__, after), weights.get(number, 0)))
    return sums[-1]


def ways_by_kind(
    children: Children, ends: Collection[int], kinds: Sequence[Collection[int]]
) -> tuple[int, list[int]]:
    """How many ways lead to the ends; and of these, to those of each kind.

    The kinds are counted in one pass: as one number, of which each has as many bits as it may need.
    """
    total = ways(children, dict.fromkeys(ends, 1))
    width = total.bit_length()
    weights = dict.fromkeys(ends, 0)
    for place, kind in enumerate(kinds):
        for end in kind:
            weights[end] += 1 << place * width
    together = ways(children, weights) if any(kinds) else 0
    mask = (1 << width) - 1
    return total, [together >> place * width & mask for place in range(len(kinds))]


def levels(children: Children) -> list[Level]:
    """All states, by how few steps lead to them."""
    found = [frozenset((len(children) - 1,))]
    seen = set(found[0])
    while found[-1]:
        after = frozenset().union(*map(children.__getitem__, found[-1])) - seen
        seen |= after
        found.append(after)
    return found[:-1]


def shortest_ways(
    children: Children, by_steps: Sequence[Level], ends: Mapping[int, int]
) -> list[Level]:
    """The states of all ways to the ends with the fewest steps, of these to the lowest, by steps.

    `ends` says what is low.
    """
    steps = next(steps for steps, level in enumerate(by_steps) if not level.isdisjoint(ends))
    nearest = by_steps[steps] & ends.keys()
    lowest = min(ends[end] for end in nearest)
    found = [frozenset(end for end in nearest if ends[end] == lowest)]
    for level in reversed(by_steps[:steps]):
        after = found[-1]
        found.append(frozenset(here for here in level if not after.isdisjoint(children[here])))
    return found[::-1]


def longest(children: Children) -> int:
    """The steps of the longest way from the initial state."""
    depths: list[int] = []
    for after in children:
        depths.append(1 + max(map(depths.__getitem__, after), default=-1))
    return depths[-1]
