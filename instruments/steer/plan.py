"""The orders of a join's and a chunk's events that can make a difference, one of each kind.

Two orders are equivalent when one is made of the other by swapping neighbours that do not depend on
one another, and of two joins each can be the other. What depends: events that the app itself
orders; a read, and a save that it may find; a subscription or its end, and a publication that it
may get; subscriptions and ends of them; and a read, and a publication to who has subscribed
already: that message is under way while the read is. A producer writes its chunks one after the
other.

So an order is told from others by the directions of its dependent pairs alone, a class is all the
linear extensions of these, and its first, in the order of `_steps`, is the only one that has no
step which could be swapped forward past a later one (A. V. Anisimov and D. E. Knuth, Inhomogeneous
sorting, Int. J. Comput. Inf. Sci. 8 (1979) 255).
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import combinations, islice, permutations
from typing import NamedTuple

from chunk7.delivery.errors import UsageError

MAX_CHUNKS = 3
MAX_JOINERS = 2
MAX_SCHEDULES = 400

PRODUCER, LEAVER, NETWORK = "producer", "leaver", "network"
JOINS = tuple(f"join{place}" for place in range(1, MAX_JOINERS + 1))
ACTORS = (*JOINS, LEAVER, PRODUCER, NETWORK)


class SteerEvent(StrEnum):
    """What can be held, and has happened when its answer was received.

    WRITE is a save and a publication in one: a transaction, a script.
    """

    READ = "read"
    SUBSCRIBE = "subscribe"
    FOLLOW = "follow"
    ANSWER = "answer"
    """The read's answer reaches an app that passes live chunks on inside its process: who joined
    is among those that get them only then."""
    LEAVE = "leave"
    PUBLISH = "publish"
    SAVE = "save"
    WRITE = "write"
    APPEND = "append"


READ, PUBLISH, LEAVE = SteerEvent.READ, SteerEvent.PUBLISH, SteerEvent.LEAVE
_LISTENS = frozenset((SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW, SteerEvent.ANSWER))
_WIRED = _LISTENS | {SteerEvent.LEAVE}
_SENT = frozenset((SteerEvent.PUBLISH, SteerEvent.WRITE, SteerEvent.APPEND))
_STORED = frozenset((SteerEvent.SAVE, SteerEvent.WRITE, SteerEvent.APPEND))
JOIN_EVENTS = _LISTENS | {SteerEvent.READ}
WRITE_EVENTS = _SENT | _STORED
Keeps = Set[tuple[SteerEvent, SteerEvent]]
"""Pairs (a, b): the app lets b begin only after a has been answered."""


class SteerStep(NamedTuple):
    """One event: a SteerEvent or, of the network, a fault's name. Chunks count from 1."""

    actor: str
    event: str
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class SteerSchedule:
    """What is to happen, in which order."""

    steps: tuple[SteerStep, ...]

    @property
    def key(self) -> str:
        """Short text, such as `read, publish 1, save 1, subscribe`."""
        several = any(step.actor == JOINS[1] for step in self.steps)
        return ", ".join(
            (f"{step.actor} " if several and step.actor in JOINS else "")
            + step.event
            + ("" if step.chunk is None else f" {step.chunk}")
            for step in self.steps
        )


@dataclass(frozen=True, slots=True)
class PlannedSchedule:
    """One schedule for all that are equivalent to it.

    `equivalents`: how many others were left out for it. `infeasible`: why the app allows none of
    them, such as `read comes only after subscribe`; else None.
    """

    schedule: SteerSchedule
    equivalents: int = 0
    infeasible: str | None = None


def plan(
    join: Sequence[SteerEvent],
    join_keeps: Keeps,
    write: Sequence[SteerEvent],
    write_keeps: Keeps,
    *,
    chunks: int = 1,
    joiners: int = 1,
    leaver: bool = False,
    second: Sequence[SteerEvent] | None = None,
) -> tuple[PlannedSchedule, ...]:
    """A schedule for each class of equivalent orders that the app allows, in a fixed order.

    Behind them those that it does not, for one chunk and one join, as more of either add none.
    `join` and `write`: the events of one join and of one chunk, each once. With `leaver`, somebody
    who has been there before ends the subscription. `second`: the events of the second join, where
    it has fewer: one that shares the first's subscription sends none. Raises UsageError for more
    than MAX_CHUNKS, MAX_JOINERS, or MAX_SCHEDULES that the app allows.
    """
    _check("--chunks", chunks, MAX_CHUNKS)
    _check("--joiners", joiners, MAX_JOINERS)
    for events, possible in ((join, JOIN_EVENTS), (write, WRITE_EVENTS)):
        if not events or len(set(events)) < len(events) or not possible.issuperset(events):
            raise ValueError(f"{events}: want each once, of {sorted(possible)}")
    keeps = frozenset((*join_keeps, *write_keeps))
    joins = (join, join if second is None else second)[:joiners]
    orders = Orders(_steps(joins, write, chunks, leaver), keeps)
    allowed = list(islice(filter(orders.is_told, orders.firsts()), MAX_SCHEDULES + 1))
    if len(allowed) > MAX_SCHEDULES:
        raise UsageError(
            f"--chunks {chunks} --joiners {joiners}: more than {MAX_SCHEDULES} schedules; "
            "fewer of either"
        )
    one = Orders(_steps((join,), write, 1, False), keeps)
    forbidden = (order for order in one.firsts(free=True) if one.forbidden(order))
    return (*map(orders.planned, allowed), *map(one.planned, forbidden))


def _check(option: str, value: int, high: int) -> None:
    if not 1 <= value <= high:
        raise UsageError(f"{option} {value}: must be between 1 and {high}")


def _steps(
    joins: Sequence[Sequence[SteerEvent]], write: Sequence[SteerEvent], chunks: int, leaver: bool
) -> tuple[SteerStep, ...]:
    """In the order by which classes are named: what is read and written as early as can be."""
    steps = (
        *(SteerStep(actor, e) for actor, events in zip(JOINS, joins, strict=False) for e in events),
        *(SteerStep(PRODUCER, event, n) for n in range(1, chunks + 1) for event in write),
        *((SteerStep(LEAVER, LEAVE),) if leaver else ()),
    )
    return tuple(sorted(steps, key=lambda step: step.event in _WIRED))


class Orders:
    """All orders of some steps, by class. Steps are numbers: their places in `steps`."""

    def __init__(self, steps: Sequence[SteerStep], keeps: Keeps) -> None:
        self.steps = steps
        self._keeps = keeps
        pairs = [*permutations(range(len(steps)), 2)]
        self._always = {(a, b) for a, b in pairs if _depend(steps[a], steps[b], keeps)}
        self._under_way = {
            pair: listens
            for pair in pairs
            for read, publish in (pair, pair[::-1])
            if steps[read].event == READ and steps[publish].event == PUBLISH
            for listens in [self._listens(steps[read].actor)]
        }
        """By a join's read and a publication, the join's subscriptions."""
        swap = {JOINS[0]: JOINS[1], JOINS[1]: JOINS[0]}
        mirrored = [step._replace(actor=swap.get(step.actor, step.actor)) for step in steps]
        self._mirror = [*map(steps.index, mirrored)] if set(mirrored) == set(steps) else []

    def _listens(self, join: str) -> frozenset[int]:
        """Its own subscriptions; the first join's, if it shares these."""
        by_actor = (
            frozenset(
                number
                for number, step in enumerate(self.steps)
                if step.actor == actor and step.event in _LISTENS
            )
            for actor in (join, JOINS[0])
        )
        return next(filter(None, by_actor), frozenset())

    def firsts(self, *, free: bool = False) -> Iterator[tuple[int, ...]]:
        """The first order of each class that the app allows, in order; `free`: or does not."""
        needs = [
            frozenset(
                earlier
                for earlier, before in enumerate(self.steps)
                if ((before.chunk or 0) < (step.chunk or 0) and before.chunk)
                or (not free and _kept(before, step, self._keeps))
            )
            for step in self.steps
        ]
        return self._firsts((), needs)

    def _firsts(
        self, order: tuple[int, ...], needs: Sequence[frozenset[int]]
    ) -> Iterator[tuple[int, ...]]:
        if len(order) == len(self.steps):
            yield order
        for number, needed in enumerate(needs):
            may_come = number not in order and needed.issubset(order)
            if may_come and not self._could_come_sooner(order, number):
                yield from self._firsts((*order, number), needs)

    def _could_come_sooner(self, order: tuple[int, ...], number: int) -> bool:
        """Whether swaps would bring it before a step with a higher number."""
        for place in range(len(order) - 1, -1, -1):
            if self.depend((*order, number), place, len(order)):
                return False
            if number < order[place]:
                return True
        return False

    def depend(self, order: Sequence[int], first: int, second: int) -> bool:
        """Whether the steps at the two places of an order depend on one another there."""
        pair = order[first], order[second]
        if pair not in self._under_way:
            return pair in self._always
        listens = self._under_way[pair]
        publish = first if self.steps[pair[0]].event == PUBLISH else second
        return not listens or not listens.isdisjoint(order[:publish])

    def equivalents(self, order: Sequence[int]) -> int:
        """How many orders are of its class: the linear extensions of what depends in it."""
        places = range(len(order))
        before = [
            sum(1 << first for first in range(second) if self.depend(order, first, second))
            for second in places
        ]

        @cache
        def orders(taken: int) -> int:
            free = [n for n in places if not taken >> n & 1 and before[n] & ~taken == 0]
            return sum(orders(taken | 1 << n) for n in free) if free else 1

        return orders(0)

    def forbidden(self, order: Sequence[int]) -> str:
        """Which orders that the app keeps it breaks; '' if none."""
        steps = [self.steps[number] for number in order]
        broken = {
            (earlier.event, later.event)
            for later, earlier in combinations(steps, 2)
            if _kept(earlier, later, self._keeps)
        }
        return "; ".join(sorted(f"{b} comes only after {a}" for a, b in broken))

    def first(self, order: Sequence[int]) -> tuple[int, ...]:
        """The first order of the order's class."""
        rest = list(range(len(order)))
        found: list[int] = []
        while rest:
            free = [n for n in rest if not any(self.depend(order, m, n) for m in rest if m < n)]
            found.append(min(free, key=lambda place: order[place]))
            rest.remove(found[-1])
        return tuple(order[place] for place in found)

    def _mirrored(self, order: Sequence[int]) -> tuple[int, ...]:
        """The class in which the joins have changed places; of one join the same."""
        return self.first([self._mirror[n] for n in order]) if self._mirror else tuple(order)

    def is_told(self, order: tuple[int, ...]) -> bool:
        """Whether a class stands for itself and for its mirror image."""
        return order <= self._mirrored(order)

    def planned(self, order: Sequence[int]) -> PlannedSchedule:
        """The class of the order, named by it."""
        steps = SteerSchedule(tuple(self.steps[number] for number in order))
        images = len({tuple(order), self._mirrored(order)})
        others = images * self.equivalents(order) - 1
        return PlannedSchedule(steps, others, self.forbidden(order) or None)


def _kept(a: SteerStep, b: SteerStep, keeps: Keeps) -> bool:
    """Whether the app lets b begin only after a, of the same join or chunk."""
    return (a.actor, a.chunk) == (b.actor, b.chunk) and (a.event, b.event) in keeps


def _depend(a: SteerStep, b: SteerStep, keeps: Keeps) -> bool:
    """Whether the two depend on one another, whatever else has happened."""
    if a.actor == b.actor:
        return a.chunk != b.chunk or _kept(a, b, keeps) or _kept(b, a, keeps)
    return any(
        (a.event in some and b.event in others) or (b.event in some and a.event in others)
        for some, others in (({READ}, _STORED), (_WIRED, _SENT), ({LEAVE}, _LISTENS))
    )
