"""How sure a share is: intervals of a proportion, and what a loss-free run can promise.

The unit is the connection: it lost something or it did not. What is here takes connections as
independent; those that watch one session share its chunks, and a measured loss rate is stated by
`chunk7.wire.intervals.clustered_share`. For rates of chunks see `bootstrap.py`.
"""

import math
from typing import Any

import numpy as np

from chunk7.analysis.statistics.checks import Floats, counts, plain, share
from chunk7.wire.intervals import Interval, score_interval

LEAST_BOUND = 1e-12
"""The smallest loss rate that `connections_needed` takes: below it, whole numbers of connections
are no longer told apart by a float."""


def wilson(successes: Any, trials: Any, level: float = 0.95) -> Interval:
    """Score interval of a proportion: all p whose test against the count would not reject.

    `wire.intervals.score_interval` of successes / trials; `successes`, `trials`: whole numbers,
    scalars or arrays that broadcast. Without trials nothing is known: [0, 1]. Covers `level` on
    average over p, a little more or less for one p. Raises ValueError.
    """
    x, n = _successes_of(successes, trials)
    return score_interval(x / np.maximum(n, 1), n, share("level", level))


def exact(successes: Any, trials: Any, level: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a proportion: never covers less than `level`, often more.

    With x successes in n trials and a = (1 - level) / 2, from the a-quantile of Beta(x, n - x + 1)
    to the (1 - a)-quantile of Beta(x + 1, n - x); 0 and 1 where these are not defined. Arguments
    as for `wilson`. Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404.
    Raises ValueError.
    """
    x, n = _successes_of(successes, trials)
    return beta_interval(x, n, share("level", level))


def beta_interval(x: Any, n: Any, level: float) -> Interval:
    """`exact` for numbers that need not be whole, as an effective sample size is not."""
    from scipy.special import betainccinv, betaincinv

    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(x > 0, betaincinv(np.maximum(x, 1e-300), n - x + 1, tail), 0.0)
        high = np.where(x < n, betainccinv(x + 1, np.maximum(n - x, 1e-300), tail), 1.0)
    return Interval(plain(low), plain(high))


def rule_of_three(trials: Any, level: float = 0.95) -> Any:
    """The largest rate that `trials` without a single loss leave possible: 1 - (1 - level)^(1/n).

    One-sided and exact: at any greater rate, no loss at all would have had a probability below
    1 - level. For level 0.95 it is nearly 3/n, which the rule is named after: J. A. Hanley and
    A. Lippman-Hand, J. Am. Med. Assoc. 249 (1983) 1743. 1 without trials. `trials`: whole numbers,
    a scalar or an array; returns the same shape. Raises ValueError.
    """
    n, level = counts("trials", trials), share("level", level)
    with np.errstate(divide="ignore"):
        return plain(-np.expm1(np.log1p(-level) / n))


def one_in(trials: int, level: float = 0.95) -> int:
    """N of "at most 1 in N connections loses something", after `trials` that lost nothing.

    The rule of three's bound, rounded to the careful side: its reciprocal without the fraction.
    """
    bound: float = rule_of_three(trials, level)
    return math.floor(1 / bound)


def connections_needed(bound: float, level: float = 0.95, design_effect: float = 1.0) -> int:
    """The fewest loss-free connections that promise a loss rate of at most `bound`.

    The least n with rule_of_three(n) <= bound, which is ln(1 - level) / ln(1 - bound) rounded up;
    times `design_effect`, at least 1, rounded up: connections that share sessions are worth fewer
    (`wire.intervals`). A loss-free run cannot tell its own, a lossy cell under the same load can:
    `loss_rate_design_effect` of its result. Raises ValueError unless LEAST_BOUND <= bound < 1.
    """
    if not LEAST_BOUND <= bound < 1:
        raise ValueError(f"bound must be at least {LEAST_BOUND:g} and below 1, not {bound}")
    if not 1 <= design_effect < math.inf:
        raise ValueError(f"design_effect must be finite and at least 1, not {design_effect}")
    return math.ceil(_independent_needed(bound, level) * design_effect)


def _independent_needed(bound: float, level: float) -> int:
    near = math.ceil(math.log1p(-share("level", level)) / math.log1p(-bound))
    # The quotient may be off by its last digit, just where it is a whole number.
    fits = (n for n in (near - 1, near) if n > 0 and rule_of_three(n, level) <= bound)
    return next(fits, near + 1)


def _successes_of(successes: Any, trials: Any) -> tuple[Floats, Floats]:
    x, n = counts("successes", successes), counts("trials", trials)
    try:
        x, n = np.broadcast_arrays(x, n)
    except ValueError:
        raise ValueError(
            f"successes and trials must broadcast, not the shapes {x.shape} and {n.shape}"
        ) from None
    if (x > n).any():
        raise ValueError("successes must not be more than trials")
    return x, n
