"""The law: what a handover of length G = W + L loses and doubles. Pure arithmetic on arrays.

A client joins at u, uniform over [earliest, latest]. Its subscription takes effect at
u + subscribe_delay, its read at u + read_delay. Chunk i is lost for those u with

    published_i - subscribe_delay < u < saved_i - read_delay

and is delivered twice for those u with the two ends the other way round. Both are intervals of the
length |W + L_i|, W = subscribe_delay - read_delay and L_i = saved_i - published_i, clipped to
[earliest, latest]. Their summed length over latest - earliest is the expected number of chunks,
exact for any arrival process; docs/architecture.md derives it. The number for one u is how many
intervals cover it, whose square has an exact mean too, and so the variance is known.

All instants and delays are in ns on one clock, all results in chunks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 50_000
"""Join-chunk pairs worked on at a time: memory is bounded, and processor caches hold them."""


@dataclass(frozen=True, slots=True)
class Joins:
    """Joins of one session; every array has the shape (joins,)."""

    earliest_ns: Floats
    latest_ns: Floats
    subscribe_delay_ns: Floats
    read_delay_ns: Floats
    after_seq: NDArray[np.int64]

    def part(self, rows: slice) -> "Joins":
        """Some of them."""
        return Joins(*(getattr(self, name)[rows] for name in Joins.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Writes:
    """Chunks of one session; every array has the shape (chunks,)."""

    published_ns: Floats
    saved_ns: Floats
    seq: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and variance of a number of chunks per join; both of the shape (joins,)."""

    mean: Floats
    variance: Floats


def handover(joins: Joins, writes: Writes) -> tuple[Moments, Moments]:
    """(lost, duplicated) for every join of a session."""
    step = max(1, BLOCK // max(1, len(writes.seq)))
    blocks = [
        _handover_block(joins.part(slice(first, first + step)), writes)
        for first in range(0, len(joins.after_seq), step)
    ]
    return _joined([lost for lost, _ in blocks]), _joined([twice for _, twice in blocks])


def _handover_block(joins: Joins, writes: Writes) -> tuple[Moments, Moments]:
    earliest = joins.earliest_ns[:, None]
    span = np.maximum(joins.latest_ns[:, None] - earliest, 1.0)
    starts = writes.published_ns - joins.subscribe_delay_ns[:, None]
    starts -= earliest
    ends = writes.saved_ns - joins.read_delay_ns[:, None]
    ends -= earliest
    for instants in (starts, ends):
        np.maximum(instants, 0, out=instants)
        np.minimum(instants, span, out=instants)
    np.copyto(ends, starts, where=writes.seq <= joins.after_seq[:, None])
    return _coverage(starts, ends, span), _coverage(ends, starts, span)


def _coverage(starts: Any, ends: Any, span: Any) -> Moments:
    """Moments of how many of the intervals [start, end) cover a uniform point of [0, span).

    Shapes (joins, intervals), twice, and (joins, 1). What ends before it starts is no interval.
    How many cover a point does not depend on which start belongs to which end, so both are
    sorted; then the k-th and the (k + m)-th overlap by end_k - start_(k + m), and the mean square
    is the mean plus twice all overlaps.
    """
    some = (ends > starts).any(axis=0)
    if not some.any():
        return Moments(np.zeros(len(span)), np.zeros(len(span)))
    starts, ends = starts[:, some], ends[:, some]
    np.maximum(starts, ends, out=ends)
    starts.sort(axis=1)
    ends.sort(axis=1)
    length = (ends - starts).sum(axis=1)
    overlap = np.zeros(len(starts))
    for apart in range(1, starts.shape[1]):
        more = np.maximum(ends[:, :-apart] - starts[:, apart:], 0.0).sum(axis=1)
        if not more.any():
            break
        overlap += more
    mean = length / span[:, 0]
    return Moments(mean, np.maximum(mean + 2 * overlap / span[:, 0] - mean**2, 0.0))


def _joined(parts: list[Moments]) -> Moments:
    if not parts:
        return Moments(np.zeros(0), np.zeros(0))
    return Moments(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.variance for part in parts]),
    )
