"""Differences: cases worked by hand, scipy's own tests, coverage by simulation."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from chunk7.analysis.statistics.differences import (
    Difference,
    mean_paired,
    mean_unpaired,
    median_paired,
    square_and_add,
)
from chunk7.analysis.statistics.paired import newcombe_unpaired
from chunk7.analysis.statistics.proportions import Interval, wilson
from chunk7.analysis.statistics.quantiles import quantile_interval

DRAWS = 1_000
COVERS = (0.922, 0.978)
"""Of 1,000 intervals of 95%: four standard errors, left once in 16,000."""


def test_means_of_pairs_are_students() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.exponential(2, 40), rng.exponential(1, 40)
    expected = stats.ttest_rel(one, other)
    low, high = expected.confidence_interval()
    found = mean_paired(one, other)
    assert found.difference == pytest.approx((one - other).mean())
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_means_of_strangers_are_welchs() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.exponential(2, 40), rng.exponential(1, 90)
    expected = stats.ttest_ind(one, other, equal_var=False)
    low, high = expected.confidence_interval()
    found = mean_unpaired(one, other)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(expected.pvalue)


def test_one_value_bounds_nothing() -> None:
    unbounded = Difference(2.0, -math.inf, math.inf, 1.0)
    assert mean_paired([3], [1]) == mean_unpaired([3], [1]) == unbounded
    assert mean_unpaired([3], [1, 1]) == unbounded
    assert median_paired([3], [1]) == unbounded


def test_values_without_spread_have_the_p_of_their_signs() -> None:
    assert mean_paired([1, 1, 1], [0, 0, 0]) == Difference(1.0, 1.0, 1.0, 0.25)
    assert mean_unpaired([1, 1, 1], [0, 0]) == Difference(1.0, 1.0, 1.0, 0.2)
    assert mean_paired([1, 1, 1], [1, 1, 1]) == Difference(0.0, 0.0, 0.0, 1.0)
    assert mean_unpaired([0, 0], [0, 0, 0]) == Difference(0.0, 0.0, 0.0, 1.0)


def test_the_median_of_pairs_has_the_sign_test() -> None:
    """Ten pairs, of which one is equal and one goes the other way: 2 x (1 + 9) / 2^9."""
    first = np.array([5, 5, 5, 5, 5, 5, 5, 5, 5, 5])
    second = first - np.array([-1, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    found = median_paired(first, second)
    # Bin(10, 1/2): P(B <= 1) = 11/1024 <= 0.025 < P(B <= 2), so the 2nd and the 9th value.
    assert found == Difference(3.5, 0.0, 7.0, pytest.approx(20 / 512))


def test_shares_squared_and_added_are_newcombes() -> None:
    found = square_and_add(0.7, wilson(56, 80), 0.6, wilson(48, 80))
    expected = newcombe_unpaired(56, 80, 48, 80)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_p_is_the_level_where_the_interval_ends_at_0() -> None:
    found = square_and_add(2.0, Interval(2 - 1.2, 5.0), 0.0, Interval(-9.0, 1.6))
    assert (found.low, found.p_value) == (pytest.approx(0), pytest.approx(0.05))


def test_an_unbounded_side_gives_no_evidence_and_no_width_no_more_than_the_level() -> None:
    half = square_and_add(2.0, Interval(-math.inf, 3.0), 0.0, Interval(-1.0, 1.0))
    assert (half.low, half.high, half.p_value) == (-math.inf, pytest.approx(2 + 2**0.5), 1.0)
    sharp = square_and_add(2.0, Interval(2.0, 2.0), 1.0, Interval(1.0, 1.0))
    assert sharp == Difference(1.0, 1.0, 1.0, pytest.approx(0.05))
    assert square_and_add(1.0, Interval(0, 2), 1.0, Interval(0, 2)).p_value == 1


def drawn(rng: np.random.Generator, values: str) -> tuple[Any, Any]:
    """Two samples whose means, or medians, are both 0 apart."""
    if values == "counts":
        return rng.poisson(0.5, 120).astype(float), rng.poisson(0.5, 120).astype(float)
    return rng.lognormal(1, 0.5, 120), rng.lognormal(1, 0.5, 120)


@pytest.mark.parametrize("values", ["counts", "times"])
@pytest.mark.parametrize("method", [mean_paired, mean_unpaired, median_paired])
def test_intervals_cover_and_p_values_err_as_they_say(method: Any, values: str) -> None:
    rng = np.random.default_rng(3)
    found = [method(*drawn(rng, values)) for _ in range(DRAWS)]
    covered = np.mean([each.low <= 0 <= each.high for each in found])
    rejected = np.mean([each.p_value < 0.05 for each in found])
    by_ranks = method is median_paired  # covers at least its level
    assert COVERS[0] <= covered <= (1.0 if by_ranks else COVERS[1])
    assert rejected <= 1 - COVERS[0]


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_differences_of_quantiles_cover(probability: float) -> None:
    """Intervals of ranks cover at least 95%, of few values more; so do differences of them."""
    rng = np.random.default_rng(4)

    def covers() -> bool:
        sides = [
            (float(np.quantile(values, probability)), quantile_interval(values, probability))
            for values in rng.lognormal(1, 0.5, (2, 300))
        ]
        found = square_and_add(*sides[0], *sides[1])  # type: ignore[arg-type]
        return found.low <= 0 <= found.high

    assert np.mean([covers() for _ in range(DRAWS)]) >= COVERS[0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mean_paired([], []),
        lambda: mean_paired([1, 2], [1]),
        lambda: mean_unpaired([1, math.nan], [1]),
        lambda: median_paired([[1]], [[2]]),
        lambda: square_and_add(1, Interval(0, 2), 0, Interval(-1, 1), level=1),
    ],
)
def test_wrong_arguments_are_named(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        wrong()
