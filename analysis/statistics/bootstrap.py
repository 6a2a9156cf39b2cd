"""Rates of chunks, whose unit is the session: chunks of one session are not lost independently.

All connections of a session meet the same chunks, and a window that loses one chunk loses its
neighbours. Counting chunks as if they were independent makes an interval several times too short.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chunk7.analysis.statistics.checks import Floats, counts, of_length, share
from chunk7.analysis.statistics.proportions import beta_interval, rule_of_three
from chunk7.wire.intervals import Interval, jackknife_variance

BLOCK = 4_000_000
"""Numbers of resampled weights held at a time, so that memory is bounded."""


@dataclass(frozen=True, slots=True)
class ClusteredRate:
    """A rate of chunks and its interval.

    `rate` is lost / expected chunks, None when nothing was expected. `low`, `high`: its interval,
    never of zero width. `sessions`: those that expected chunks. `design_effect`: by how much the
    rate's variance exceeds that of independent chunks; 1 when every session had the same rate,
    None when nothing or everything was lost.
    """

    rate: float | None
    low: float
    high: float
    sessions: int
    design_effect: float | None


def clustered_rate(lost: Any, expected: Any, level: float = 0.95) -> ClusteredRate:
    """Rate of lost chunks with an interval that holds from ten sessions on.

    `lost`, `expected`: chunks, shape (sessions,). The rate r is sum(lost) / sum(expected), its
    variance v `chunk7.wire.intervals.jackknife_variance`. v makes the chunks worth
    n = r (1 - r) / v independent ones, fewer by (t of all chunks / t of all sessions)^2 because v
    is estimated from so few sessions; the interval is the exact one of r n in n. It is the method
    of E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193.

    Percentiles of resampled rates (`resample`) cover too little with few sessions, 88% instead of
    95 for ten of them: docs/statistics.md has the measurements.

    When nothing was lost the low end is 0 and the high one the rule of three's for the sessions,
    times the largest session over the mean one, because the sessions that lose may be the large
    ones; the other way round when all was lost. One session alone, or none, says nothing about
    others: [0, 1]. Raises ValueError.
    """
    lost, expected = _sessions(lost, expected)
    share("level", level)
    chunks, sessions = float(expected.sum()), len(expected)
    if not sessions:
        return ClusteredRate(None, 0.0, 1.0, 0, None)
    rate = float(lost.sum()) / chunks
    if rate in (0.0, 1.0):
        bound = min(1.0, rule_of_three(sessions, level) * float(expected.max() / expected.mean()))
        low, high = (0.0, bound) if rate == 0 else (1 - bound, 1.0)
        return ClusteredRate(rate, low, high, sessions, None)
    if sessions == 1:
        return ClusteredRate(rate, 0.0, 1.0, 1, None)
    effect = max(1.0, jackknife_variance(lost, expected) * chunks / (rate * (1 - rate)))
    interval = _korn_graubard(rate, chunks, effect, sessions, level)
    return ClusteredRate(rate, interval.low, interval.high, sessions, effect)


def resample(lost: Any, expected: Any, rng: np.random.Generator, resamples: int = 2_000) -> Floats:
    """The cluster bootstrap: rates of `resamples` runs of sessions drawn with replacement.

    `lost`, `expected`: chunks, shape (sessions,), the latter at least 1 somewhere; returns the
    shape (resamples,). For the spread in a figure; as an interval it is too short with fewer than
    fifty sessions, see `clustered_rate`. A resample is a multinomial weighting of the sessions.
    Source: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997),
    section 3.8. Raises ValueError.
    """
    lost, expected = _sessions(lost, expected)
    sessions = len(expected)
    if not sessions:
        raise ValueError("expected must be above 0 for some session")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    step = max(1, BLOCK // sessions)
    parts = []
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        weights = rng.multinomial(sessions, np.full(sessions, 1 / sessions), rows)
        parts.append((weights @ lost) / (weights @ expected))
    return np.concatenate(parts)


def _sessions(lost: Any, expected: Any) -> tuple[Floats, Floats]:
    """Those sessions that expected anything."""
    expected = of_length("expected", counts("expected", expected))
    lost = of_length("lost", counts("lost", lost), len(expected))
    if (lost > expected).any():
        raise ValueError("lost must not be more than expected")
    return lost[expected > 0], expected[expected > 0]


def _korn_graubard(
    rate: float, chunks: float, effect: float, sessions: int, level: float
) -> Interval:
    from scipy.special import stdtrit

    upper = (1 + level) / 2
    fewer = (stdtrit(chunks - 1, upper) / stdtrit(sessions - 1, upper)) ** 2
    worth = chunks / effect * float(fewer)
    return beta_interval(rate * worth, worth, level)
