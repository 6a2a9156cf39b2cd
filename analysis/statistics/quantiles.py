"""Quantiles of windows, gaps and latencies, from raw values, and how sure they are.

Always from raw values: percentiles must never be averaged. The mean of two processes' p95 is no
quantile of anything: with 1,000 joins of 1 ms on one node and 10 of 100 ms on another, the
averaged p95 is 50.5 ms, and the p95 of all joins is 1 ms. Put the values together, then take the
quantile.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chunk7.analysis.statistics.bootstrap import clustered_rate
from chunk7.analysis.statistics.checks import Floats, column, of_length, share
from chunk7.wire.intervals import Interval
from chunk7.wire.quantiles import USUAL
from chunk7.wire.quantiles import quantiles as quantiles_of


def quantiles(values: Any, probabilities: Sequence[float] = USUAL) -> tuple[float, ...] | None:
    """`chunk7.wire.quantiles.quantiles`, its arguments checked. Raises ValueError."""
    at = [share("probabilities", probability) for probability in probabilities]
    return quantiles_of(_column(values), at)


def quantile_interval(values: Any, probability: float, level: float = 0.95) -> Interval | None:
    """Interval of a population's quantile, whatever its distribution; None without values.

    Its ends are two of the sorted values, those at `quantile_ranks`; an end is -inf or inf when
    there are too few values to bound that side (the upper end of a p99 takes 368 of them). It is
    widened to hold the sample quantile, which with a handful of values may lie between two others.
    Covers at least `level`. The values must be independent: windows and join times are, one a
    connection; for chunk latencies use `clustered_quantile_interval`. Arguments as for `quantiles`.
    Source: H. A. David and H. N. Nagaraja, Order Statistics (3rd ed., 2003), section 7.1.
    Raises ValueError.
    """
    known = np.sort(_known(values))
    if not len(known):
        return None
    low, high = quantile_ranks(len(known), probability, level)
    middle = float(np.quantile(known, probability))
    return Interval(
        min(float(known[low - 1]), middle) if low >= 1 else -np.inf,
        max(float(known[high - 1]), middle) if high <= len(known) else np.inf,
    )


def quantile_ranks(count: int, probability: float, level: float = 0.95) -> tuple[int, int]:
    """Which of `count` sorted values, the first being 1, bound a quantile from below and above.

    How many values lie below the p-quantile is binomial, B ~ Bin(count, p). The lower rank r is the
    highest with P(B < r) <= (1 - level) / 2, the upper one the lowest with P(B >= r) <= the same.
    0 and count + 1 stand for no such rank. Raises ValueError.
    """
    from scipy.special import bdtr

    p, tail = share("probability", probability), (1 - share("level", level)) / 2
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    # Beyond ten standard deviations there is nothing to look for, and millions of ranks to do so.
    reach = 10 * np.sqrt(count * p * (1 - p)) + 10
    first, last = max(0, int(count * p - reach)), min(count, int(count * p + reach))
    below = np.arange(first, last + 1)
    cdf = bdtr(below, count, p)
    # P(B < r) = cdf(r - 1), so the lower rank is how many cdf(0), cdf(1), ... are small enough.
    low = first + int(np.searchsorted(cdf, tail, side="right"))
    high = first + int(np.searchsorted(cdf, 1 - tail, side="left")) + 1
    return low, min(high, count + 1)


def clustered_quantile_interval(
    values: Any, clusters: Any, probability: float, level: float = 0.95
) -> Interval | None:
    """Interval of a quantile of values that come in clusters, as a session's chunk latencies do.

    The share of values up to the sample quantile has an interval by clusters (`clustered_rate`);
    the quantiles at its two ends are the interval. `values`, `clusters`: shape (values,), the
    latter naming each value's cluster. nan is left out; None without values.
    Source: R. S. Woodruff, J. Am. Stat. Assoc. 47 (1952) 635. Raises ValueError.
    """
    p, array = share("probability", probability), _column(values)
    names = of_length("clusters", np.asarray(clusters), len(array))[~np.isnan(array)]
    known = array[~np.isnan(array)]
    if not len(known):
        return None
    _, cluster = np.unique(names, return_inverse=True)
    up_to = np.bincount(cluster, weights=known <= np.quantile(known, p))
    share_up_to = clustered_rate(up_to, np.bincount(cluster), level)
    shift = p - up_to.sum() / len(known)  # the sample quantile lies between two values
    ends = np.clip([share_up_to.low + shift, share_up_to.high + shift], 0, 1)
    low, high = np.quantile(known, ends)
    return Interval(float(low), float(high))


def _column(values: Any) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        column("values", array[~np.isnan(array)] if array.ndim == 1 else array)
    return array


def _known(values: Any) -> Floats:
    array = _column(values)
    return array[~np.isnan(array)]
