"""All sessions' instants on one clock, and how many of them come before a moment: looked up.

A binary search at a moment that nobody can guess costs more than all else that a connection needs:
each of its steps is a branch foretold wrongly half of the time, and a miss in the cache. So an
array's time is divided into slots, about four for each instant, and a table says how many instants
come before each slot. A moment's slot is a multiplication; the few instants of the slot itself are
compared one by one. Slots are powers of two of a millisecond: the multiplication is exact, and the
counts are those of the search.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.distributions import Durations
from chunk7.simulator.virtual.population import Integers

_SLOTS_AN_INSTANT = 4
_MOST_SLOTS = 1 << 22
"""Of one array: 16 MiB."""
_COMPARED = 6
"""Of one slot; where more instants crowd together the rest is searched for."""


class Lookup:
    """How many of some ascending instants come before a moment."""

    def __init__(self, instants: Durations, end_ms: float) -> None:
        """No instant, and no moment that is asked for, is at or behind `end_ms`."""
        self._instants = instants
        self._padded = np.append(instants, np.inf)
        wanted = min(_MOST_SLOTS, _SLOTS_AN_INSTANT * len(instants) + 1)
        self._slots_a_ms = 2.0 ** np.floor(np.log2(wanted / end_ms))
        edges = np.arange(np.ceil(end_ms * self._slots_a_ms)) / self._slots_a_ms
        self._before: NDArray[np.int32] = np.searchsorted(instants, edges).astype(np.int32)

    def at(self, position: Integers) -> Durations:
        """(count,): the instants at these positions, infinite for the one behind the last."""
        found: Durations = self._padded.take(position)
        return found

    def before(self, moments: Durations) -> Integers:
        """(count,): how many instants are < each moment, from 0 to below `end_ms`."""
        return self._count(moments, np.less, "left")

    def until(self, moments: Durations) -> Integers:
        """(count,): how many instants are <= each moment."""
        return self._count(moments, np.less_equal, "right")

    def _count(self, moments: Durations, comes: np.ufunc, side: str) -> Integers:
        slots = (moments * self._slots_a_ms).astype(np.int64)
        found: Integers = self._before.take(slots).astype(np.int64)
        more = comes(self._padded.take(found), moments)
        found += more
        left = np.flatnonzero(more)
        for _ in range(_COMPARED):
            if not len(left):
                return found
            left = left[comes(self._padded.take(found.take(left)), moments.take(left))]
            found[left] += 1
        found[left] = np.searchsorted(self._instants, moments.take(left), side)  # type: ignore[call-overload]
        return found


class Instants:
    """The instants of all timelines, one after the other: session s is moved up by s * span_ms."""

    def __init__(self, timelines: Sequence[Timeline]) -> None:
        self._timelines = timelines
        ends = [
            float(instants[-1])
            for timeline in timelines
            for instants in (timeline.arrive_ms, timeline.save_ms)
            if len(instants)
        ]
        self.span_ms = float(2.0 ** np.ceil(np.log2(max([0.0, *ends]) + 2)))
        """A power of two, which loses the fewest digits, longer than any session."""
        self.chunks: Integers = np.array([t.chunks for t in timelines], dtype=np.int64)
        self.first: Integers = np.cumsum(self.chunks) - self.chunks
        """Where each session begins in an array of instants."""

    @cached_property
    def number(self) -> Lookup:
        """When numbers were taken."""
        return self._lookup([timeline.number_ms for timeline in self._timelines])

    @cached_property
    def publish(self) -> Lookup:
        """When chunks were published."""
        return self._lookup([timeline.publish_ms for timeline in self._timelines])

    @cached_property
    def save(self) -> Lookup:
        """When chunks were saved."""
        return self._lookup([timeline.save_ms for timeline in self._timelines])

    @cached_property
    def arrive(self) -> Lookup:
        """When chunks came to the nodes."""
        return self._lookup([timeline.arrive_ms for timeline in self._timelines])

    def _lookup(self, instants: list[Durations]) -> Lookup:
        moved = [each + number * self.span_ms for number, each in enumerate(instants)]
        return Lookup(np.concatenate(moved), len(instants) * self.span_ms)


class Places:
    """Some connections, each at its session's own instants. Arrays have shape (count,)."""

    def __init__(self, instants: Instants, session: Integers) -> None:
        self.instants = instants
        self.session = session
        self._first = instants.first.take(session)
        self._moved_ms = session * instants.span_ms

    @cached_property
    def chunks(self) -> Integers:
        """How many the session has."""
        return self.instants.chunks.take(self.session)

    def some(self, which: Integers) -> "Places":
        """Those of the connections."""
        return Places(self.instants, self.session.take(which))

    def before(self, lookup: Lookup, at_ms: Durations) -> Integers:
        """How many of the session's instants are < at_ms."""
        found = lookup.before(self._moved(at_ms))
        found -= self._first
        return found

    def until(self, lookup: Lookup, at_ms: Durations) -> Integers:
        """How many of the session's instants are <= at_ms."""
        found = lookup.until(self._moved(at_ms))
        found -= self._first
        return found

    def at(self, lookup: Lookup, position: Integers) -> Durations:
        """The session's instant at that position, infinite behind its last."""
        found = lookup.at(self._first + position) - self._moved_ms
        found[position >= self.chunks] = np.inf
        return found

    def _moved(self, at_ms: Durations) -> Durations:
        moved = np.minimum(at_ms, self.instants.span_ms - 1)
        moved += self._moved_ms
        return moved
