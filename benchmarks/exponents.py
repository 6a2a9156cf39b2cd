"""How a cost grows with a size: the exponent e of cost ~ size^e, and how sure it is.

exponent([(1, 2.0), (10, 20.0), (100, 200.0)])  # Exponent(value=1.0, spread=0.0)
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from scipy import stats

Point = tuple[float, float]
"""A size, and what it cost; both above 0."""
LARGEST = 3
"""So many of the sizes are fitted once more: a cost that is the same for all hides growth."""
TOLERANCE = 0.1
"""A spread that reaches further above 1 than that does not tell anything."""


class Growth(StrEnum):
    """What an exponent says."""

    NOT_WORSE = "no worse than linear"
    WORSE = "worse than linear"
    UNKNOWN = "too noisy to say"


BAD = (Growth.WORSE, Growth.UNKNOWN)
"""The worst first."""


class Exponent(NamedTuple):
    """`spread`: half of the 95% interval of the least-squares slope, by Student's t."""

    value: float
    spread: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ± {self.spread:.2f}"

    @property
    def growth(self) -> Growth:
        """Above 1 by more than its spread is worse than linear."""
        if self.value - self.spread > 1:
            return Growth.WORSE
        surely = self.value + self.spread <= 1 + TOLERANCE
        return Growth.NOT_WORSE if surely else Growth.UNKNOWN


def exponent(points: Sequence[Point]) -> Exponent:
    """The slope of the logarithms, by least squares. Raises ValueError for fewer than 3 points."""
    if len(points) <= 2:
        raise ValueError(f"{len(points)} points say nothing about their own spread")
    x, y = np.log(np.array(points, float)).T
    x, y = x - x.mean(), y - y.mean()
    slope = x @ y / (x @ x)
    left = y - slope * x
    error = np.sqrt(left @ left / (len(points) - 2) / (x @ x))
    return Exponent(float(slope), float(error * stats.t.ppf(0.975, len(points) - 2)))


def of_largest(points: Sequence[Point]) -> list[Point]:
    """Those of the largest sizes."""
    least = sorted({size for size, _ in points})[-LARGEST:][0]
    return [point for point in points if point[0] >= least]


def growth(points: Sequence[Point]) -> Growth:
    """The worst that all sizes, and the largest, say."""
    said = {exponent(points).growth, exponent(of_largest(points)).growth}
    return next(
        worst for worst in (Growth.WORSE, Growth.UNKNOWN, Growth.NOT_WORSE) if worst in said
    )
