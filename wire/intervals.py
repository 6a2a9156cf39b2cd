"""How sure a share is, for all who state one: Wilson's interval, and what clusters leave of it.

Connections join at moments of their own, but those that watch one session meet the same chunks: in
a burst many of them lose something, in a pause none. Their number then says less than as many
connections that share nothing would, and an interval that does not know it is too short.
docs/statistics.md has the measurements.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends belong to it. Floats, or arrays of the shape that the arguments had together."""

    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class ClusteredShare:
    """A share of units that come in clusters, such as lossy connections by session.

    `share` is None, and the interval [0, 1], without units. `design_effect`: by how much the
    share's variance exceeds that of independent units, at least 1; None where the clusters cannot
    tell, as there are fewer than two, or none or all of the units were hit. `worth`: how many
    independent units would be as sure.
    """

    share: float | None
    low: float
    high: float
    design_effect: float | None
    worth: float


def score_interval(share: Any, size: Any, level: float = 0.95) -> Interval:
    """Wilson's interval of a share that `size` independent units showed.

    With p the share, n the size and z the normal quantile of (1 + level) / 2, the ends are

        (n p + z^2 / 2 -+ z sqrt(n p (1 - p) + z^2 / 4)) / (n + z^2)

    and exactly 0 and 1 where nothing and everything was hit. `share` in [0, 1]; `size` above 0,
    need not be whole. Floats or arrays that broadcast.
    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    from scipy.special import ndtri

    p, n = np.asarray(share, dtype=np.float64), np.asarray(size, dtype=np.float64)
    z2 = float(ndtri((1 + level) / 2)) ** 2
    half = np.sqrt(z2 * (n * p * (1 - p) + z2 / 4))
    low = np.where(p > 0, (n * p + z2 / 2 - half) / (n + z2), 0.0)
    high = np.where(p < 1, (n * p + z2 / 2 + half) / (n + z2), 1.0)
    return Interval(low.item(), high.item()) if low.ndim == 0 else Interval(low, high)


def units_needed(bound: float, level: float = 0.95) -> int:
    """The fewest units of which none was hit whose interval ends at `bound`, above 0, below 1.

    That end is z^2 / (n + z^2), so n is z^2 (1 - bound) / bound, rounded up.
    """
    from scipy.special import ndtri

    z2 = float(ndtri((1 + level) / 2)) ** 2
    near = math.ceil(z2 * (1 - bound) / bound)
    # The quotient may be off by its last digit, just where it is a whole number.
    fits = (n for n in (near - 1, near) if n > 0 and score_interval(0, n, level).high <= bound)
    return next(fits, near + 1)


def clustered_share(hits: Any, units: Any, level: float = 0.95) -> ClusteredShare:
    """Share of units that were hit, with Wilson's interval for what the units are worth.

    `hits`, `units`: whole numbers, shape (clusters,); hits never above units. Where the design
    effect cannot be known, the units count as independent: of one cluster the interval speaks of
    more units of that same cluster only. Raises ValueError.
    """
    x, n = np.asarray(hits, dtype=np.float64), np.asarray(units, dtype=np.float64)
    if x.ndim != 1 or x.shape != n.shape:
        shapes = f"{x.shape} and {n.shape}"
        raise ValueError(f"hits and units must have one shape (clusters,), not {shapes}")
    if not (np.isfinite(n).all() and np.isfinite(x).all() and (x >= 0).all()):
        raise ValueError("hits and units must be finite and at least 0")
    if (x > n).any():
        raise ValueError("hits must not be more than units")
    if not 0 < level < 1:
        raise ValueError(f"level must be above 0 and below 1, not {level}")
    total = float(n.sum())
    if total == 0:
        return ClusteredShare(None, 0.0, 1.0, None, 0.0)
    share = float(x.sum()) / total
    effect = design_effect(x, n, share * (1 - share))
    worth = effective_size(n, effect, level)
    interval = score_interval(share, worth, level)
    return ClusteredShare(share, interval.low, interval.high, effect, worth)


def design_effect(sums: Any, units: Any, variance: float) -> float | None:
    """By how much clusters raise the variance of sum(sums) / sum(units); at least 1.

    `sums`: of the units' values, by cluster; `units`: their numbers; shape (clusters,) each.
    `variance`: of one unit's value. The variance of the ratio is the jackknife's; of k clusters it
    scatters like a chi-square of k - 1 degrees of freedom, whose median is below its mean, so it
    is divided by that median over k - 1: half of the time it would be too small, and no more.
    None for fewer than two clusters and without variance: nothing to compare; 1 where no cluster
    has two units, so that nothing is shared.
    Source: L. Kish, Survey Sampling (1965), section 5.4; never below 1, as E. L. Korn and
    B. I. Graubard advise, Survey Methodology 24 (1998) 193.
    """
    from scipy.special import gammaincinv

    x, n = np.asarray(sums, dtype=np.float64), np.asarray(units, dtype=np.float64)
    x, n = x[n > 0], n[n > 0]
    free = len(n) - 1
    if free < 1 or variance <= 0:
        return None
    if n.max() <= 1:
        return 1.0
    median = 2 * float(gammaincinv(free / 2, 0.5)) / free
    return max(1.0, jackknife_variance(x, n) * float(n.sum()) / variance / median)


def effective_size(units: Any, effect: float | None, level: float = 0.95) -> float:
    """How many independent units those of the clusters, `units` of shape (clusters,), are worth.

    Never more than there are. What is above 1 of the design effect is estimated from k clusters,
    and so counts (t of k - 1 degrees of freedom / z)^2 times; the 1 is the binomial's, and known.
    It is Korn and Graubard's way (see `design_effect`), who take the penalty of the whole: with few
    clusters that covers nearly always, and tells next to nothing. An effect of None counts as 1.
    """
    from scipy.special import ndtri, stdtrit

    n = np.asarray(units, dtype=np.float64)
    total, clusters = float(n.sum()), int(np.count_nonzero(n))
    if effect is None or clusters < 2:
        return total
    upper = (1 + level) / 2
    penalty = (float(stdtrit(clusters - 1, upper)) / float(ndtri(upper))) ** 2
    return total / (1 + (effect - 1) * penalty)


def jackknife_variance(sums: Floats, units: Floats) -> float:
    """Of sum(sums) / sum(units), leaving out one cluster at a time; shape (clusters,), two or more.

    Source: W. G. Cochran, Sampling Techniques (3rd ed., 1977), section 6.17.
    """
    clusters = len(units)
    without = (sums.sum() - sums) / (units.sum() - units)
    return float((clusters - 1) / clusters * ((without - without.mean()) ** 2).sum())
