"""Is one ordering better than another? Differences of loss rates, and tests corrected for many.

Cells of one run, and runs with the same seed, meet the same schedule: the k-th connection of one
joins at the moment of the k-th of the other, so the two are a pair. Pairs that differ carry the
evidence. Runs with different seeds share nothing and are compared unpaired.

Differences are first minus second everywhere: above 0, the first one loses more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chunk7.analysis.statistics.checks import Floats, counts, numbers, of_length, plain
from chunk7.analysis.statistics.proportions import Interval, wilson


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two orderings' loss rates.

    `first`, `second`: lossy / connections of each. `difference`: first - second, with its interval
    `low`, `high`. `p_value`: of "both lose equally often", two-sided, not yet corrected for other
    comparisons (`holm`). `only_first`, `only_second`: pairs in which only that one was lossy, None
    when unpaired. The p-value decides, the interval says by how much; at the edge they may differ.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    only_first: int | None = None
    only_second: int | None = None


def compare_paired(first: Any, second: Any, level: float = 0.95) -> Comparison:
    """Two orderings on the same connections: exact McNemar test, Newcombe's paired interval.

    `first`, `second`: whether the k-th connection was lossy, booleans of shape (pairs,), at least
    one. Leave out pairs of which one never opened. Raises ValueError.
    """
    one, other = _flags("first", first), _flags("second", second)
    of_length("second", other, len(one))
    if not len(one):
        raise ValueError("first must have at least one pair")
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    only_first, only_second = int((one & ~other).sum()), int((~one & other).sum())
    interval = newcombe_paired(both, only_first, only_second, neither, level)
    rates = float(one.mean()), float(other.mean())
    return Comparison(
        *rates,
        difference=(only_first - only_second) / len(one),
        low=interval.low,
        high=interval.high,
        p_value=mcnemar(only_first, only_second),
        only_first=only_first,
        only_second=only_second,
    )


def compare_unpaired(
    lossy_first: int,
    connections_first: int,
    lossy_second: int,
    connections_second: int,
    level: float = 0.95,
) -> Comparison:
    """Two runs with different seeds: Fisher's exact test, Newcombe's unpaired interval.

    All whole numbers, at least one connection each. Raises ValueError.
    """
    from scipy.stats import fisher_exact

    interval = newcombe_unpaired(
        lossy_first, connections_first, lossy_second, connections_second, level
    )
    first, second = lossy_first / connections_first, lossy_second / connections_second
    table = [
        [lossy_first, connections_first - lossy_first],
        [lossy_second, connections_second - lossy_second],
    ]
    p_value = float(fisher_exact(table).pvalue)
    return Comparison(first, second, first - second, interval.low, interval.high, p_value)


def mcnemar(only_first: Any, only_second: Any, mid_p: bool = False) -> Any:
    """Two-sided p-value of "both orderings lose equally often" from the pairs that differ.

    If so, only_first of n = only_first + only_second is Bin(n, 1/2), and p is twice the smaller
    tail, at most 1; 1 without any. Exact, so that it errs at most as often as it says, and seldom
    that. `mid_p` counts half of the observed count's own probability and errs nearly as often as
    it says: M. W. Fagerland, S. Lydersen and P. Laake, BMC Med. Res. Methodol. 13 (2013) 91.
    Whole numbers, scalars or arrays that broadcast.
    Source: Q. McNemar, Psychometrika 12 (1947) 153. Raises ValueError.
    """
    from scipy.special import bdtr, gammaln

    b, c = counts("only_first", only_first), counts("only_second", only_second)
    least, n = np.minimum(b, c), b + c
    p = 2 * bdtr(least, n.astype(np.int64), 0.5)
    if mid_p:
        log_own = gammaln(n + 1) - gammaln(least + 1) - gammaln(n - least + 1) - n * np.log(2)
        p = p - np.exp(log_own)
    return plain(np.where(b == c, 1.0, np.minimum(p, 1.0)))


def newcombe_paired(
    both: Any, only_first: Any, only_second: Any, neither: Any, level: float = 0.95
) -> Interval:
    """Interval of the difference of two shares of the same pairs.

    With p1, p2 the two shares, d = p1 - p2, [l, u] their Wilson intervals and phi the correlation
    of the pairs,

        d - sqrt((p1 - l1)^2 - 2 phi (p1 - l1)(u2 - p2) + (u2 - p2)^2)
        d + sqrt((p2 - l2)^2 - 2 phi (p2 - l2)(u1 - p1) + (u1 - p1)^2)

    phi = q / sqrt(product of the four margins), q = both neither - only_first only_second, from
    which pairs / 2 is taken when it is positive, down to 0. phi is 0 when a margin is empty.
    Whole numbers, scalars or arrays that broadcast, at least one pair.
    Source: method 10 of R. G. Newcombe, Stat. Med. 17 (1998) 2635. Raises ValueError.
    """
    cells = {
        "both": both, "only_first": only_first, "only_second": only_second, "neither": neither,
    }  # fmt: skip
    e, f, g, h = np.broadcast_arrays(*(counts(name, value) for name, value in cells.items()))
    n = e + f + g + h
    if (n < 1).any():
        raise ValueError("both, only_first, only_second, neither must add up to at least 1")
    q = e * h - f * g
    q = np.where(q > 0, np.maximum(q - n / 2, 0), q)
    margins = np.sqrt((e + f) * (g + h)) * np.sqrt((e + g) * (f + h))
    phi = np.where(margins > 0, q / np.maximum(margins, 1), 0.0)
    return _square_and_add(
        (e + f) / n, wilson(e + f, n, level), (e + g) / n, wilson(e + g, n, level), phi
    )


def newcombe_unpaired(
    successes_first: Any,
    trials_first: Any,
    successes_second: Any,
    trials_second: Any,
    level: float = 0.95,
) -> Interval:
    """Interval of the difference of two shares of different connections.

    As `newcombe_paired` with phi = 0. Whole numbers, scalars or arrays that broadcast, at least
    one trial each. Source: method 10 of R. G. Newcombe, Stat. Med. 17 (1998) 873.
    Raises ValueError.
    """
    x1 = counts("successes_first", successes_first)
    x2 = counts("successes_second", successes_second)
    n1 = counts("trials_first", trials_first, 1)
    n2 = counts("trials_second", trials_second, 1)
    return _square_and_add(x1 / n1, wilson(x1, n1, level), x2 / n2, wilson(x2, n2, level), 0.0)


def holm(p_values: Any) -> Floats:
    """p-values corrected for being many: below 0.05 they err in 5% of all families, not of each.

    Sorted upwards, the k-th of m is multiplied by m - k + 1, and made no smaller than the one
    before, no greater than 1. Holds however the tests depend on each other. Shape (tests,) in and
    out, in the order given. Source: S. Holm, Scand. J. Stat. 6 (1979) 65. Raises ValueError.
    """
    p: Floats = of_length("p_values", numbers("p_values", p_values, 0, 1))
    order = np.argsort(p, kind="stable")
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _square_and_add(p1: Any, of_1: Interval, p2: Any, of_2: Interval, phi: Any) -> Interval:
    down1, up1 = p1 - of_1.low, of_1.high - p1
    down2, up2 = p2 - of_2.low, of_2.high - p2
    below = np.sqrt(np.maximum(down1**2 - 2 * phi * down1 * up2 + up2**2, 0))
    above = np.sqrt(np.maximum(down2**2 - 2 * phi * down2 * up1 + up1**2, 0))
    difference = p1 - p2
    low, high = np.maximum(difference - below, -1.0), np.minimum(difference + above, 1.0)
    return Interval(plain(low), plain(high))


def _flags(name: str, values: Any) -> Any:
    array = of_length(name, np.asarray(values))
    if array.dtype != np.bool_:
        raise ValueError(f"{name} must be booleans, not {array.dtype}")
    return array
