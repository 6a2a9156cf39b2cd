"""Rates of chunks by session: by hand, laws, and coverage with correlated chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from chunk7.analysis.statistics.bootstrap import ClusteredRate, clustered_rate, resample
from chunk7.analysis.statistics.proportions import exact, rule_of_three

DRAWS = 2_000


def correlated(
    sessions: int, rate: float, within: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(lost, expected) chunks, shape (DRAWS, sessions): every session has a rate of its own.

    Rates are beta distributed around `rate`, so that two chunks of a session are correlated by
    `within`; sessions differ in size up to tenfold, as those of a run with late joiners do.
    """
    rng = np.random.default_rng(seed)
    expected = rng.integers(50, 500, (DRAWS, sessions))
    weight = (1 - within) / within
    rates = rng.beta(rate * weight, (1 - rate) * weight, (DRAWS, sessions))
    return rng.binomial(expected, rates), expected


def covered(sessions: int, rate: float, within: float) -> float:
    lost, expected = correlated(sessions, rate, within, seed=7)
    found = [clustered_rate(*rows) for rows in zip(lost, expected, strict=True)]
    return float(np.mean([one.low <= rate <= one.high for one in found]))


@pytest.mark.parametrize(
    ("sessions", "rate", "within"),
    [
        (10, 0.05, 0.02), (10, 0.3, 0.1),
        (20, 0.01, 0.002), (20, 0.05, 0.02), (20, 0.3, 0.1),
        (50, 0.002, 0.001), (50, 0.01, 0.02), (200, 0.01, 0.02),
    ],
)  # fmt: skip
def test_the_interval_covers_95_percent_from_ten_sessions_on(
    sessions: int, rate: float, within: float
) -> None:
    assert 0.93 <= covered(sessions, rate, within) <= 0.97


@pytest.mark.parametrize(("rate", "within"), [(0.002, 0.001), (0.01, 0.002)])
def test_rare_losses_in_few_sessions_are_covered_too_often(rate: float, within: float) -> None:
    assert covered(10, rate, within) >= 0.97


def test_losses_that_a_few_sessions_bear_alone_are_covered_a_little_too_seldom() -> None:
    """Every second session loses next to nothing: 92% with ten; no method tried covers more."""
    assert 0.91 <= covered(10, 0.01, 0.02) <= 0.94


def test_percentiles_of_resampled_rates_cover_too_little_with_ten_sessions() -> None:
    """Why `clustered_rate` does not use them."""
    lost, expected = correlated(10, 0.05, 0.02, seed=7)
    rng = np.random.default_rng(8)
    found = [
        np.quantile(resample(*rows, rng, 300), [0.025, 0.975])
        for rows in zip(lost[:500], expected[:500], strict=True)
    ]
    assert np.mean([low <= 0.05 <= high for low, high in found]) < 0.9


def test_chunks_counted_as_if_independent_cover_far_too_little() -> None:
    """Why the unit is the session."""
    lost, expected = correlated(50, 0.05, 0.02, seed=7)
    interval = exact(lost.sum(axis=1), expected.sum(axis=1))
    assert ((interval.low <= 0.05) & (interval.high >= 0.05)).mean() < 0.7


def test_with_many_sessions_the_bootstrap_and_the_interval_agree() -> None:
    lost, expected = (rows[0] for rows in correlated(200, 0.05, 0.02, seed=9))
    found = clustered_rate(lost, expected)
    rates = resample(lost, expected, np.random.default_rng(1), 4_000)
    assert np.quantile(rates, [0.025, 0.975]) == pytest.approx([found.low, found.high], rel=0.03)


def test_two_sessions_by_hand() -> None:
    """1 and 3 of 10 each: the jackknife's rates are 0.3 and 0.1, its variance 1/2 (0.1^2 + 0.1^2).

    0.01 is 20 chunks' worth 0.01 * 20 / (0.2 * 0.8) = 1.25 times over.
    """
    found = clustered_rate([1, 3], [10, 10])
    assert (found.rate, found.sessions) == (0.2, 2)
    assert found.design_effect == pytest.approx(1.25)
    assert type(found.design_effect) is float
    worth = 16 * (2.093024 / 12.706205) ** 2  # t of 19 and of 1 degrees of freedom
    share = 0.2 * worth
    assert found.low == pytest.approx(beta.ppf(0.025, share, worth - share + 1), rel=1e-4)
    assert found.high == pytest.approx(beta.ppf(0.975, share + 1, worth - share), rel=1e-4)


def test_the_same_rate_everywhere_has_a_width_all_the_same() -> None:
    found = clustered_rate([2] * 10, [100] * 10)
    independent = exact(20, 1_000)
    assert found.design_effect == 1.0
    assert 0 < found.low < independent.low < 0.02 < independent.high < found.high


def test_no_loss_anywhere_is_bounded_by_the_number_of_sessions() -> None:
    found = clustered_rate([0] * 10, [100] * 10)
    assert found == ClusteredRate(0.0, 0.0, rule_of_three(10), 10, None)


def test_a_large_session_might_be_the_one_that_loses() -> None:
    found = clustered_rate([0, 0, 0, 0], [100, 100, 100, 500])
    assert found.high == 1.0
    found = clustered_rate([0] * 100, [100] * 99 + [200])
    assert found.high == pytest.approx(rule_of_three(100) * 200 / 101)


def test_no_loss_bounds_the_rate_in_95_percent_of_runs() -> None:
    """One session in twenty loses a chunk in ten, the others nothing; conservative."""
    rng = np.random.default_rng(3)
    lossy = rng.random((DRAWS, 30)) < 0.05
    found = [clustered_rate(10 * row, np.full(30, 100)) for row in lossy]
    assert np.mean([one.low <= 0.005 <= one.high for one in found]) >= 0.95


def test_everything_lost_mirrors_nothing_lost() -> None:
    nothing, everything = clustered_rate([0] * 9, [7] * 9), clustered_rate([7] * 9, [7] * 9)
    assert (everything.low, everything.high) == (1 - nothing.high, 1.0)


def test_one_session_says_nothing_of_others_and_none_has_no_rate() -> None:
    assert clustered_rate([1], [10]) == ClusteredRate(0.1, 0.0, 1.0, 1, None)
    assert clustered_rate([], []) == ClusteredRate(None, 0.0, 1.0, 0, None)
    assert clustered_rate([0, 0], [0, 0]) == ClusteredRate(None, 0.0, 1.0, 0, None)


def test_sessions_that_expected_nothing_do_not_count() -> None:
    assert clustered_rate([1, 0, 3], [10, 0, 10]) == clustered_rate([1, 3], [10, 10])


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    expected = draw(st.lists(st.integers(1, 500), min_size=1, max_size=30))
    return [draw(st.integers(0, size)) for size in expected], expected


@given(counted=sessions(), level=st.floats(0.5, 0.999))
def test_an_interval_holds_the_rate_and_has_a_width(
    counted: tuple[list[int], list[int]], level: float
) -> None:
    found = clustered_rate(*counted, level)
    assert found.rate is not None
    assert 0 <= found.low <= found.rate <= found.high <= 1
    assert found.low < found.high


@given(counted=sessions())
def test_delivered_chunks_have_the_mirrored_interval(
    counted: tuple[list[int], list[int]],
) -> None:
    lost, expected = counted
    one = clustered_rate(lost, expected)
    other = clustered_rate(np.subtract(expected, lost), expected)
    assert (other.low, other.high) == pytest.approx((1 - one.high, 1 - one.low), abs=1e-6)


@given(counted=sessions())
def test_a_higher_level_is_no_narrower(counted: tuple[list[int], list[int]]) -> None:
    narrow, wide = clustered_rate(*counted, 0.9), clustered_rate(*counted, 0.95)
    assert wide.low <= narrow.low
    assert wide.high >= narrow.high


def test_a_seed_gives_the_same_resamples() -> None:
    lost, expected = [1, 2, 3], [10, 20, 50]
    one = resample(lost, expected, np.random.default_rng(1), 50)
    other = resample(lost, expected, np.random.default_rng(1), 50)
    assert one.shape == (50,)
    assert one.tolist() == other.tolist()
    assert set(np.round(one, 12)) > {round(6 / 80, 12)}


@pytest.mark.parametrize(
    ("lost", "expected", "message"),
    [
        ([1, 2], [10], r"lost must have the shape \(1,\), not the shape \(2,\)"),
        ([[1]], [[10]], r"expected must have one axis, not the shape \(1, 1\)"),
        ([11], [10], "lost must not be more than expected"),
        ([-1], [10], "lost must be finite and at least 0"),
        ([0.5], [10], "lost must be whole numbers"),
    ],
)
def test_bad_arguments_are_named(lost: list[int], expected: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clustered_rate(lost, expected)


def test_resampling_needs_sessions_and_resamples() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="expected must be above 0 for some session"):
        resample([0], [0], rng)
    with pytest.raises(ValueError, match="resamples must be at least 1, not 0"):
        resample([1], [10], rng, 0)
