"""How two samples of numbers differ: means, medians, and any two estimates with intervals.

For shares of connections see `paired.py`. Differences are first minus second everywhere.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chunk7.analysis.statistics.checks import Floats, column, of_length, share
from chunk7.analysis.statistics.paired import worth_of
from chunk7.analysis.statistics.quantiles import quantile_interval
from chunk7.wire.intervals import Interval


@dataclass(frozen=True, slots=True)
class Difference:
    """first - second, its interval, and the two-sided p-value of "there is none"."""

    difference: float
    low: float
    high: float
    p_value: float


def mean_paired(
    first: Any, second: Any, level: float = 0.95, sessions: Any | None = None
) -> Difference:
    """Mean of paired differences, by Student's t; both of shape (pairs,), at least one.

    `sessions`: names of the pairs' sessions, the same shape; the interval is then that of as many
    pairs as they are worth, and the test stays that of the pairs (see `paired`).

    One pair has no spread and bounds nothing: the interval is infinite and p is 1. Where all pairs
    differ by the same, the interval has no width, and p is the sign test's, 2 / 2^pairs.
    Source: Student, Biometrika 6 (1908) 1. Raises ValueError.
    """
    between = _pairs(first, second)
    count = len(between)
    error = float(between.std(ddof=1)) / np.sqrt(count) if count > 1 else np.inf
    found = _students(float(between.mean()), error, count - 1, level, float(2.0 ** (1 - count)))
    wider = np.sqrt(count / worth_of(between, sessions, level))
    half = wider * (found.high - found.difference)
    return replace(found, low=found.difference - half, high=found.difference + half)


def mean_unpaired(
    first: Any,
    second: Any,
    level: float = 0.95,
    sessions_first: Any | None = None,
    sessions_second: Any | None = None,
) -> Difference:
    """Difference of two means with unequal variances, by Welch's t.

    Shapes (n,) and (m,), at least one value each; a sample of one value bounds nothing, as in
    `mean_paired`, which explains the sessions. Where neither sample varies, p is that of a
    permutation, 2 of all the ways to choose n of n + m values.
    Source: B. L. Welch, Biometrika 34 (1947) 28. Raises ValueError.
    """
    from scipy.special import binom

    one, other = _some("first", first), _some("second", second)
    difference = float(one.mean() - other.mean())
    ways = float(binom(len(one) + len(other), len(one)))
    if min(len(one), len(other)) < 2:
        return _students(difference, np.inf, 0, level, 1.0)
    worth = worth_of(one, sessions_first, level), worth_of(other, sessions_second, level)
    parts = np.array([one.var(ddof=1) / worth[0], other.var(ddof=1) / worth[1]])
    total = float(parts.sum())
    weights = parts**2 / np.array([len(one) - 1, len(other) - 1])
    freedom = total**2 / float(weights.sum()) if total > 0 else 1.0
    return _students(difference, np.sqrt(total), freedom, level, min(1.0, 2 / ways))


def median_paired(first: Any, second: Any, level: float = 0.95) -> Difference:
    """Median of paired differences, with the sign test; both of shape (pairs,), at least one.

    The interval is `quantile_interval` of the differences, p that of as many above 0 as below, of
    those that are not 0. No assumption on their distribution.
    Source: W. J. Dixon and A. M. Mood, J. Am. Stat. Assoc. 41 (1946) 557. Raises ValueError.
    """
    from scipy.special import bdtr

    between = _pairs(first, second)
    above, below = int((between > 0).sum()), int((between < 0).sum())
    p_value = min(1.0, 2 * float(bdtr(min(above, below), above + below, 0.5)))
    interval = quantile_interval(between, 0.5, level)
    assert interval is not None
    return Difference(float(np.median(between)), interval.low, interval.high, p_value)


def square_and_add(
    first: float, of_first: Interval, second: float, of_second: Interval, level: float = 0.95
) -> Difference:
    """Difference of two independent estimates from their own intervals of `level`.

    The distance of each end from the difference is the root of the summed squares of the two
    distances that add up there, as in Newcombe's method; ends may be infinite. p is that of a
    normal distribution whose interval reaches as far towards 0, so p < 1 - level exactly when
    0 is outside; but 1 - level where intervals without width leave no measure.
    Source: G. Y. Zou and A. Donner, Stat. Med. 27 (2008) 1693. Raises ValueError.
    """
    from scipy.special import ndtr, ndtri

    difference = first - second
    below = float(np.hypot(first - of_first.low, of_second.high - second))
    above = float(np.hypot(of_first.high - first, second - of_second.low))
    towards_zero = below if difference > 0 else above
    if difference == 0:
        p_value = 1.0
    elif towards_zero == 0:
        p_value = 1 - level
    else:
        z = float(ndtri((1 + share("level", level)) / 2))
        p_value = 2 * float(ndtr(-z * abs(difference) / towards_zero))
    return Difference(difference, difference - below, difference + above, p_value)


def _students(
    difference: float, error: float, freedom: float, level: float, p_without_spread: float
) -> Difference:
    """Interval and p from a standard error; an infinite one bounds nothing."""
    from scipy.special import stdtr, stdtrit

    upper = (1 + share("level", level)) / 2
    if np.isinf(error):
        return Difference(difference, -np.inf, np.inf, 1.0)
    if error == 0:
        p_value = p_without_spread if difference else 1.0
        return Difference(difference, difference, difference, p_value)
    half = float(stdtrit(freedom, upper)) * error
    p_value = 2 * float(stdtr(freedom, -abs(difference) / error))
    return Difference(difference, difference - half, difference + half, p_value)


def _pairs(first: Any, second: Any) -> Floats:
    one = _some("first", first)
    between: Floats = one - of_length("second", column("second", second), len(one))
    return between


def _some(name: str, values: Any) -> Floats:
    array = column(name, values)
    if not len(array):
        raise ValueError(f"{name} must have at least one value")
    return array
