"""Is one ordering better than another? Differences of loss rates, and tests corrected for many.

Cells of one run, and runs with the same seed, meet the same schedule: the k-th connection of one
joins at the moment of the k-th of the other, so the two are a pair. Pairs that differ carry the
evidence. Runs with different seeds share nothing and are compared unpaired.

Connections of one session share its chunks; `sessions` says who shares, and without it all are
taken as independent. A paired test asks whether the two could be exchanged: if so they can be in
every pair by itself, whatever chunks it met with its neighbours, so the test stays as it is. How
far the two are apart does depend on the chunks, and so does everything about unpaired runs: there
connections count as what they are worth (`wire.intervals`). What a test alone would take for a
difference, one ordering being better in some sessions and worse in others, is inside the interval;
a verdict needs both.

Differences are first minus second everywhere: above 0, the first one loses more.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chunk7.analysis.statistics.checks import Floats, counts, numbers, of_length, plain, share
from chunk7.analysis.statistics.proportions import wilson
from chunk7.wire.intervals import (
    ClusteredShare,
    Interval,
    clustered_share,
    design_effect,
    effective_size,
    score_interval,
)


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two orderings' loss rates.

    `first`, `second`: lossy / connections of each. `difference`: first - second, with its interval
    `low`, `high`. `p_value`: of "both lose equally often", two-sided, not yet corrected for other
    comparisons (`holm`). `only_first`, `only_second`: pairs in which only that one was lossy, None
    when unpaired. The interval says by how much they differ; at the edge it and p may disagree.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    only_first: int | None = None
    only_second: int | None = None


def compare_paired(
    first: Any, second: Any, level: float = 0.95, sessions: Any | None = None
) -> PairedComparison:
    """Two orderings on the same connections: exact McNemar test, Newcombe's paired interval.

    `first`, `second`: whether the k-th connection was lossy, booleans of shape (pairs,), at least
    one. Leave out pairs of which one never opened. `sessions`: names of their sessions, the same
    shape; the interval is then that of as many pairs as they are worth, by the design effect of
    the difference. Raises ValueError.
    """
    one, other = _flags("first", first), _flags("second", second)
    of_length("second", other, len(one))
    if not len(one):
        raise ValueError("first must have at least one pair")
    both, neither = int((one & other).sum()), int((~one & ~other).sum())
    only_first, only_second = int((one & ~other).sum()), int((~one & other).sum())
    worth = worth_of(one.astype(float) - other, sessions, level) / len(one)
    interval = _newcombe_paired(
        both * worth, only_first * worth, only_second * worth, neither * worth, level
    )
    rates = float(one.mean()), float(other.mean())
    return PairedComparison(
        *rates,
        difference=(only_first - only_second) / len(one),
        low=interval.low,
        high=interval.high,
        p_value=mcnemar(only_first, only_second),
        only_first=only_first,
        only_second=only_second,
    )


def worth_of(values: Floats, sessions: Any | None, level: float = 0.95) -> float:
    """How many independent values these, of shape (values,) and these sessions, are worth.

    As many as they are without `sessions`. Raises ValueError for another shape.
    """
    if sessions is None:
        return float(len(values))
    names = of_length("sessions", np.asarray(sessions), len(values))
    _, session = np.unique(names, return_inverse=True)
    units = np.bincount(session)
    effect = design_effect(np.bincount(session, values), units, float(values.var()))
    return effective_size(units, effect, level)


def compare_unpaired(
    lossy_first: Any,
    connections_first: Any,
    lossy_second: Any,
    connections_second: Any,
    level: float = 0.95,
) -> PairedComparison:
    """Two runs with different seeds: Fisher's exact test, Newcombe's unpaired interval.

    Whole numbers, at least one connection each: by session, shape (sessions,), or one number for
    connections that share nothing. Each side counts as what its connections are worth, which the
    test rounds to whole connections. Raises ValueError.
    """
    from scipy.stats import fisher_exact

    of_first = _by_session("first", lossy_first, connections_first, level)
    of_second = _by_session("second", lossy_second, connections_second, level)
    first, second = float(of_first.share or 0), float(of_second.share or 0)
    interval = _square_and_add(first, of_first, second, of_second, 0.0)
    table = [_whole(first, of_first.worth), _whole(second, of_second.worth)]
    p_value = float(fisher_exact(table).pvalue)
    return PairedComparison(first, second, first - second, interval.low, interval.high, p_value)


def _by_session(name: str, lossy: Any, connections: Any, level: float) -> ClusteredShare:
    hits = np.atleast_1d(counts(f"lossy_{name}", lossy))
    units = np.atleast_1d(counts(f"connections_{name}", connections))
    if not units.sum():
        raise ValueError(f"connections_{name} must be finite and at least 1")
    return clustered_share(hits, units, level)


def _whole(rate: float, worth: float) -> list[int]:
    """Lossy and other connections, of those that they are worth: at least one in all."""
    size = max(1, round(worth))
    return [round(rate * size), size - round(rate * size)]


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
    return _newcombe_paired(e, f, g, h, share("level", level))


def _newcombe_paired(e: Any, f: Any, g: Any, h: Any, level: float) -> Interval:
    """For numbers of pairs that need not be whole."""
    n = e + f + g + h
    q = np.asarray(e * h - f * g)
    q = np.where(q > 0, np.maximum(q - n / 2, 0), q)
    margins = np.sqrt((e + f) * (g + h)) * np.sqrt((e + g) * (f + h))
    phi = np.divide(q, margins, out=np.zeros_like(q), where=margins > 0)
    p1, p2 = (e + f) / n, (e + g) / n
    return _square_and_add(p1, score_interval(p1, n, level), p2, score_interval(p2, n, level), phi)


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


def _square_and_add(p1: Any, of_1: Any, p2: Any, of_2: Any, phi: Any) -> Interval:
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
