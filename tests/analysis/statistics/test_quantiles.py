"""Quantiles of raw values, and their intervals: ranks by definition, coverage by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from chunk7.analysis.statistics.proportions import Interval
from chunk7.analysis.statistics.quantiles import (
    clustered_quantile_interval,
    quantile_interval,
    quantile_ranks,
    quantiles,
)

DRAWS = 2_000


def covered(count: int, probability: float) -> float:
    """Share of DRAWS samples of windows (log-normal, in ms) whose interval holds the truth."""
    rng = np.random.default_rng(21)
    values = np.sort(np.exp(rng.standard_normal((DRAWS, count))), axis=1)
    low, high = quantile_ranks(count, probability)
    truth = np.quantile(np.exp(rng.standard_normal(4_000_000)), probability)
    above = values[:, low - 1] <= truth if low >= 1 else True
    below = values[:, high - 1] >= truth if high <= count else True
    return float(np.mean(above & below))


@pytest.mark.parametrize(
    ("count", "probability"),
    [(200, 0.5), (200, 0.95), (1_000, 0.5), (1_000, 0.95), (2_000, 0.99)],
)
def test_the_interval_covers_95_percent(count: int, probability: float) -> None:
    assert 0.93 <= covered(count, probability) <= 0.97


@pytest.mark.parametrize(
    ("count", "probability"), [(30, 0.5), (30, 0.95), (100, 0.95), (200, 0.99), (1_000, 0.99)]
)
def test_with_few_values_the_interval_covers_more(count: int, probability: float) -> None:
    """Ranks are whole: it is conservative, and never covers less."""
    assert covered(count, probability) >= 0.95 - 0.01


def test_quantiles_by_hand() -> None:
    assert quantiles([1.0, 2.0, 3.0, 4.0], (0.5, 0.9)) == pytest.approx((2.5, 3.7))
    assert quantiles([7.0]) == (7.0, 7.0, 7.0)
    assert quantiles(np.arange(101.0)) == pytest.approx((50.0, 95.0, 99.0))


def test_what_was_not_measured_is_left_out() -> None:
    assert quantiles([np.nan, 1.0, 3.0], (0.5,)) == (2.0,)
    assert quantile_interval([np.nan] * 5, 0.5) is None


def test_no_values_have_no_quantiles() -> None:
    assert quantiles([]) is None
    assert quantile_interval([], 0.5) is None
    assert clustered_quantile_interval([], [], 0.5) is None


def test_the_median_of_ten_lies_between_the_second_and_the_ninth() -> None:
    """P(B < 2) = 11 / 1024, and P(B < 3) = 56 / 1024 would be too much."""
    assert quantile_ranks(10, 0.5) == (2, 9)
    assert quantile_interval(np.arange(10, 0, -1), 0.5) == Interval(2.0, 9.0)


def test_too_few_values_leave_a_side_open() -> None:
    assert quantile_interval(np.arange(1, 6), 0.5) == Interval(-np.inf, np.inf)
    assert quantile_ranks(367, 0.99)[1] == 368
    assert quantile_ranks(368, 0.99)[1] == 368


@given(
    count=st.integers(1, 3_000),
    probability=st.floats(0.01, 0.99),
    level=st.floats(0.5, 0.999),
)
def test_ranks_are_the_closest_that_the_binomial_allows(
    count: int, probability: float, level: float
) -> None:
    low, high = quantile_ranks(count, probability, level)
    tail = (1 - level) / 2
    below = binom(count, probability).cdf
    assert low == 0 or below(low - 1) <= tail * (1 + 1e-9)
    assert below(low) > tail * (1 - 1e-9)
    assert high == count + 1 or 1 - below(high - 1) <= tail + 1e-12
    assert high == 1 or 1 - below(high - 2) > tail - 1e-12


@given(count=st.integers(1, 3_000), probability=st.floats(0.01, 0.99))
def test_ranks_of_the_mirrored_quantile_are_mirrored(count: int, probability: float) -> None:
    low, high = quantile_ranks(count, probability)
    mirrored = quantile_ranks(count, 1 - probability)
    assert mirrored == pytest.approx((count + 1 - high, count + 1 - low), abs=1)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), p=st.floats(0.01, 0.99))
def test_the_interval_holds_the_quantile_and_widens_with_the_level(
    values: list[float], p: float
) -> None:
    narrow, wide = quantile_interval(values, p, 0.9), quantile_interval(values, p, 0.99)
    found = quantiles(values, (p,))
    assert narrow is not None
    assert wide is not None
    assert found is not None
    assert wide.low <= narrow.low <= found[0] + 1e-9
    assert found[0] - 1e-9 <= narrow.high <= wide.high


def test_ten_million_values_need_no_ten_million_ranks() -> None:
    low, high = quantile_ranks(10_000_000, 0.95)
    half = 1.959964 * np.sqrt(10_000_000 * 0.95 * 0.05)
    assert (low, high) == pytest.approx((9_500_000 - half, 9_500_000 + half), abs=2)


def latencies(sessions: int, seed: int) -> tuple[Any, Any]:
    """Chunk latencies in ms, shape (DRAWS // 2, sessions, 50): each session is slow or fast."""
    rng = np.random.default_rng(seed)
    shape = (DRAWS // 2, sessions, 50)
    return np.exp(0.5 * rng.standard_normal((*shape[:2], 1)) + rng.standard_normal(shape)), shape


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_latencies_of_sessions_are_covered_by_session(probability: float) -> None:
    """log-normal with variances 1/4 between sessions and 1 within."""
    values, (draws, sessions, chunks) = latencies(30, seed=22)
    clusters = np.repeat(np.arange(sessions), chunks)
    truth = np.exp(np.sqrt(1.25) * {0.5: 0.0, 0.95: 1.6448536}[probability])
    found = [
        clustered_quantile_interval(values[k].ravel(), clusters, probability) for k in range(draws)
    ]
    held = np.mean([one is not None and one.low <= truth <= one.high for one in found])
    assert 0.93 <= held <= 0.975
    naive = [quantile_interval(values[k].ravel(), probability) for k in range(draws)]
    assert np.mean([one is not None and one.low <= truth <= one.high for one in naive]) < 0.85


def test_averaged_percentiles_are_wrong() -> None:
    """The example of the module: a busy node of fast joins and an idle one of slow joins."""
    fast, slow = np.full(1_000, 1.0), np.full(10, 100.0)
    together, one, other = (quantiles(v, (0.95,)) for v in (np.append(fast, slow), fast, slow))
    assert together == (1.0,)
    assert np.mean([one, other]) == 50.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantiles([[1.0]]), "values must have one axis"),
        (lambda: quantiles([np.inf]), "values must be finite"),
        (lambda: quantiles([1.0], (0.5, 95)), "probabilities must be above 0 and below 1, not 95"),
        (lambda: quantile_interval([1.0], 1.0), "probability must be above 0 and below 1"),
        (lambda: quantile_interval([1.0], 0.5, 1.0), "level must be above 0 and below 1"),
        (lambda: quantile_ranks(0, 0.5), "count must be at least 1, not 0"),
        (
            lambda: clustered_quantile_interval([1.0, 2.0], ["a"], 0.5),
            r"clusters must have the shape \(2,\)",
        ),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
