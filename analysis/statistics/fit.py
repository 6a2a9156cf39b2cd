"""Does the law fit? Measured counts of chunks held against the predicted ones.

A prediction is known up to two things: chance, whose variance the law gives, and the instants'
uncertainty, which moves the prediction between `low` and `high` (`analysis.prediction.per_join`).
The first is a distribution, the second a band: nothing says where in it the truth lies, so a count
that some place in the band explains is not held against the law.

Chance is taken to be a scaled Poisson distribution, phi N with N ~ Poisson(mean / phi) and
phi = variance / mean. It has the predicted mean and variance, is exact for rare losses that come
phi at a time, and becomes the normal distribution for many: the quasi-Poisson model of
P. McCullagh and J. A. Nelder, Generalized Linear Models (2nd ed., 1989), section 6.2. Its tails
and their inverses are F. Garwood's, Biometrika 28 (1936) 437, for counts that need not be whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.statistics.checks import Floats, column, counts, numbers, of_length, share
from chunk7.wire.intervals import Interval

HALVINGS = 100
"""Of an interval in search of a crossing; more than a float can tell apart."""

ROUNDING = 1e-6
"""Chunks by which a sum of predictions may be off because floats are."""


class Agreement(StrEnum):
    """What a fit came to."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    NO_EVIDENCE = "no evidence"


@dataclass(frozen=True, slots=True)
class Fit:
    """Measured chunks of many connections beside the predicted ones.

    `measured`, `predicted`: chunks, summed. `low`, `high`: the prediction interval of `measured`.
    `z`: how many standard deviations `measured` lies outside the band, negative below it, 0 in it.
    `p_value`: two-sided, of a count so far out by chance; 1 in the band. `ratio`: measured over
    predicted, with its interval; None when nothing was predicted, and its high end may be inf.

    `verdict` is `disagrees` when `measured` is outside [low, high]. Inside, it is `no evidence`
    when there are no connections, or when chunks may be expected but `low` is 0: no loss at all
    would have agreed too, so agreeing says little. At level 0.95 that is when the smallest
    prediction is below 3.7 losses, of phi chunks each. Else it is `agrees`, which includes that
    nothing can be lost, whatever the instants' uncertainty, and nothing was.
    """

    connections: int
    measured: float
    predicted: float
    low: float
    high: float
    z: float
    p_value: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: Agreement


def fit(
    measured: Any, mean: Any, variance: Any, low_mean: Any, high_mean: Any, level: float = 0.95
) -> Fit:
    """Hold the chunks measured on each connection against the law; all of shape (connections,).

    `measured`: chunks, whole numbers. `mean`, `variance`: of the predicted number, in chunks and
    chunks squared. `low_mean` <= mean <= `high_mean`: the prediction at the smallest and the
    greatest gap that the instants' uncertainty allows. Connections are independent, given the
    chunks. Raises ValueError.
    """
    measured = of_length("measured", counts("measured", measured))
    bands = {"low_mean": low_mean, "mean": mean, "high_mean": high_mean, "variance": variance}
    least, middle, most, variance = (
        of_length(name, numbers(name, values, 0), len(measured)) for name, values in bands.items()
    )
    if (least > middle + ROUNDING).any() or (middle > most + ROUNDING).any():
        raise ValueError("mean must lie between low_mean and high_mean")
    count, phi = float(measured.sum()), _dispersion(float(middle.sum()), float(variance.sum()))
    return _judged(
        count,
        float(middle.sum()),
        Interval(float(min(least.sum(), middle.sum())), float(max(most.sum(), middle.sum()))),
        phi,
        share("level", level),
        len(measured),
    )


def calibration(
    measured: Any, predicted: Any, groups: int = 10, variance: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Measured against predicted in bins of connections that were predicted alike, for a figure.

    `measured`, `predicted`, `variance`: shape (connections,), in chunks (squared); without a
    variance chunks are taken to be lost one at a time (Poisson). Bins are quantiles of the
    prediction, at most `groups`; connections predicted alike share a bin, so there may be fewer,
    and connections of which nothing is predicted have one of their own. Returns a row a bin, from
    the least predicted up: connections, predicted, measured (sums), and low, high, the interval
    of the mean number that could have given `measured`.
    Source of the grouping: D. W. Hosmer and S. Lemeshow, Commun. Stat. A 9 (1980) 1043.
    Raises ValueError.
    """
    measured = of_length("measured", counts("measured", measured))
    predicted = column("predicted", numbers("predicted", predicted, 0), len(measured))
    spread = predicted if variance is None else numbers("variance", variance, 0)
    of_length("variance", spread, len(measured))
    share("level", level)
    if groups < 1:
        raise ValueError(f"groups must be at least 1, not {groups}")
    frame = pd.DataFrame({"predicted": predicted, "measured": measured, "variance": spread})
    sums = frame.groupby(_bins(predicted, groups), sort=True)[list(frame)].sum()
    sums.insert(0, "connections", np.unique(_bins(predicted, groups), return_counts=True)[1])
    ends = [
        _mean_interval(
            row.measured, _dispersion(row.predicted, row.variance), share("level", level)
        )
        for row in sums.itertuples()
    ]
    table = sums.drop(columns="variance").reset_index(drop=True)
    return table.assign(low=[end.low for end in ends], high=[end.high for end in ends])


def _bins(predicted: Floats, groups: int) -> Any:
    """A number a connection, shape (connections,), growing with the prediction; 0 for none."""
    some = predicted[predicted > 0]
    if not len(some):
        return np.zeros(len(predicted), np.int64)
    edges = np.unique(np.quantile(some, np.arange(1, groups) / groups))
    return np.where(predicted > 0, 1 + np.searchsorted(edges, predicted, side="left"), 0)


def _dispersion(mean: float, variance: float) -> float:
    """phi: variance / mean, and 1, one chunk at a time, where nothing is predicted.

    Kept above 0: where the law is certain, a thousandth of a chunk is as good as certain.
    """
    return max(variance / mean, 1e-6) if mean > 0 else 1.0


def _judged(
    count: float, predicted: float, band: Interval, phi: float, level: float, connections: int
) -> Fit:
    p_value = _p_value(count, band, phi)
    expected = _prediction_interval(band, phi, level)
    of_mean = _mean_interval(count, phi, level)
    if not connections:
        verdict = Agreement.NO_EVIDENCE
    elif p_value < 1 - level:
        verdict = Agreement.DISAGREES
    elif expected.low <= 0 < band.high:
        verdict = Agreement.NO_EVIDENCE
    else:
        verdict = Agreement.AGREES
    some = predicted > 0
    return Fit(
        connections=connections,
        measured=count,
        predicted=predicted,
        low=expected.low,
        high=expected.high,
        z=_z(count, band, phi),
        p_value=p_value,
        ratio=count / predicted if some else None,
        ratio_low=of_mean.low / band.high if some else None,
        ratio_high=(of_mean.high / band.low if band.low > 0 else np.inf) if some else None,
        verdict=verdict,
    )


def _z(count: float, band: Interval, phi: float) -> float:
    out = count - min(max(count, band.low), band.high)
    if abs(out) <= ROUNDING:
        return 0.0
    nearest = band.high if out > 0 else band.low
    return out / float(np.sqrt(phi * nearest)) if nearest > 0 else float(np.inf)


def _p_value(count: float, band: Interval, phi: float) -> float:
    """Twice the smaller tail: of `count` or more at the band's high end, or less at its low end."""
    from scipy.special import gammainc, gammaincc

    if band.low - ROUNDING <= count <= band.high + ROUNDING:
        return 1.0
    if count > band.high:
        tail = gammainc(count / phi, band.high / phi)
    else:
        tail = gammaincc(count / phi + 1, band.low / phi)
    return min(1.0, 2 * float(tail))


def _prediction_interval(band: Interval, phi: float, level: float) -> Interval:
    """The counts whose p-value is not below 1 - level."""
    from scipy.special import gammainc, gammaincc

    tail, least, most = (1 - level) / 2, band.low / phi, band.high / phi
    low = _crossing(lambda count: gammaincc(count + 1, least) >= tail, least)
    high = _crossing(lambda count: gammainc(count, most) < tail, most)
    return Interval(phi * min(low, least), phi * max(high, most) if most > 0 else 0.0)


def _crossing(reached: Callable[[float], bool], mean: float) -> float:
    """The least number, 0 or more, from which on `reached` holds; it must by 20 deviations."""
    low, high = 0.0, mean + 20 * float(np.sqrt(mean)) + 20
    if reached(low):
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _mean_interval(count: float, phi: float, level: float) -> Interval:
    """The means at which `count` would have a p-value not below 1 - level."""
    from scipy.special import gammainccinv, gammaincinv

    tail = (1 - level) / 2
    low = phi * float(gammaincinv(count / phi, tail)) if count > 0 else 0.0
    return Interval(low, phi * float(gammainccinv(count / phi + 1, tail)))
