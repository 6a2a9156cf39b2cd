"""Shares of connections: published examples, laws, and coverage by exact enumeration."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import xlog1py
from scipy.stats import binom

from chunk7.analysis.statistics.proportions import (
    Interval,
    connections_needed,
    exact,
    one_in,
    rule_of_three,
    wilson,
)

METHODS = [wilson, exact]
IN_USE = [(n, p) for n in (200, 1_000, 20_000) for p in (0.01, 0.05, 0.2, 0.5)]
"""Connections of a cell and loss rates that runs have."""


@st.composite
def counted(draw: st.DrawFn) -> tuple[int, int]:
    trials = draw(st.integers(1, 50_000))
    return draw(st.integers(0, trials)), trials


def ends(interval: Interval) -> tuple[Any, Any]:
    return interval.low, interval.high


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    ],
)  # fmt: skip
def test_wilson_is_newcombes_table_of_single_proportions(
    successes: int, trials: int, low: float, high: float
) -> None:
    """R. G. Newcombe, Stat. Med. 17 (1998) 857, table I, method 3."""
    assert ends(wilson(successes, trials)) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776),
    ],
)  # fmt: skip
def test_the_exact_interval_is_newcombes_table_of_single_proportions(
    successes: int, trials: int, low: float, high: float
) -> None:
    """The same table, method 5."""
    assert ends(exact(successes, trials)) == pytest.approx((low, high), abs=6e-5)


def test_wilson_by_hand() -> None:
    """One of five at z = 2: centre (1 + 2) / (5 + 4), half width 2 sqrt(4/5 + 1) / 9."""
    level = 0.9544997361036416
    half = 2 * 1.8**0.5 / 9
    assert ends(wilson(1, 5, level)) == pytest.approx((1 / 3 - half, 1 / 3 + half))


@pytest.mark.parametrize("method", METHODS)
def test_arrays_give_arrays_that_agree_with_scalars(method: Any) -> None:
    successes, trials = np.array([[0, 3], [7, 10]]), np.array([10, 10])
    interval = method(successes, trials)
    scalars = [[method(int(x), 10) for x in row] for row in successes]
    assert interval.low.tolist() == [[i.low for i in row] for row in scalars]
    assert interval.high.tolist() == [[i.high for i in row] for row in scalars]
    assert type(scalars[0][0].low) is float


@pytest.mark.parametrize("method", METHODS)
def test_without_trials_nothing_is_known(method: Any) -> None:
    assert ends(method(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize("method", METHODS)
@given(counted=counted(), level=st.floats(0.5, 0.999))
def test_an_interval_holds_the_share_and_has_a_width(
    method: Any, counted: tuple[int, int], level: float
) -> None:
    successes, trials = counted
    low, high = ends(method(successes, trials, level))
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


@pytest.mark.parametrize("method", METHODS)
@given(counted=counted(), level=st.floats(0.5, 0.999))
def test_what_was_not_lost_has_the_mirrored_interval(
    method: Any, counted: tuple[int, int], level: float
) -> None:
    successes, trials = counted
    lost, kept = method(successes, trials, level), method(trials - successes, trials, level)
    assert ends(kept) == pytest.approx((1 - lost.high, 1 - lost.low), abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(counted=counted(), level=st.floats(0.5, 0.99))
def test_a_higher_level_is_wider(method: Any, counted: tuple[int, int], level: float) -> None:
    narrow, wide = method(*counted, level), method(*counted, level + 0.009)
    assert wide.low <= narrow.low
    assert wide.high >= narrow.high
    assert wide.high - wide.low > narrow.high - narrow.low


@given(counted=counted())
def test_the_exact_interval_tests_each_end_at_half_the_rest(counted: tuple[int, int]) -> None:
    successes, trials = counted
    low, high = ends(exact(successes, trials))
    if successes > 0:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025, rel=1e-6)
    if successes < trials:
        assert binom.cdf(successes, trials, high) == pytest.approx(0.025, rel=1e-6)


def coverage(method: Any, trials: int, p: float) -> float:
    """Exactly: the probability of all counts whose interval holds p."""
    successes = np.arange(trials + 1)
    interval = method(successes, trials)
    holds = (interval.low <= p) & (p <= interval.high)
    return float(binom.pmf(successes, trials, p)[holds].sum())


@pytest.mark.parametrize(("trials", "p"), IN_USE)
def test_wilson_covers_95_percent(trials: int, p: float) -> None:
    assert 0.93 <= coverage(wilson, trials, p) <= 0.97


def test_wilson_covers_95_percent_of_simulated_runs() -> None:
    draws = np.random.default_rng(4).binomial(2_000, 0.03, 2_000)
    interval = wilson(draws, 2_000)
    assert 0.93 <= ((interval.low <= 0.03) & (interval.high >= 0.03)).mean() <= 0.97


@pytest.mark.parametrize(("trials", "p"), [*IN_USE, (10, 0.03), (200, 0.001), (1_000, 0.0005)])
def test_the_exact_interval_never_covers_less(trials: int, p: float) -> None:
    """It is conservative: above 97% too, where few are lost."""
    assert coverage(exact, trials, p) >= 0.95


@pytest.mark.parametrize("p", [0.0001, 0.001, 0.003, 0.01])
def test_the_rule_of_three_is_seldom_broken(p: float) -> None:
    """Of 2,000 runs of 1,000 connections, those that lose nothing and yet promise too much."""
    lossy = np.random.default_rng(5).binomial(1_000, p, 2_000)
    assert ((lossy == 0) & (rule_of_three(1_000) < p)).mean() <= 0.05 + 0.015


def test_the_rule_of_three_is_exact_and_near_three_over_n() -> None:
    assert rule_of_three(1) == pytest.approx(0.95)
    assert rule_of_three([0, 2]) == pytest.approx([1.0, 1 - 0.05**0.5])
    assert rule_of_three(1_000) == pytest.approx(3 / 1_000, rel=0.003)


@given(trials=st.integers(1, 1_000_000), level=st.floats(0.5, 0.999))
def test_at_the_bound_no_loss_has_the_probability_that_is_left(trials: int, level: float) -> None:
    left = np.exp(xlog1py(trials, -rule_of_three(trials, level)))
    assert left == pytest.approx(1 - level, rel=1e-6)


def test_the_rule_of_three_is_the_exact_intervals_one_sided_end() -> None:
    assert rule_of_three(50, 0.975) == pytest.approx(exact(0, 50).high)


def test_a_thousand_loss_free_connections_promise_at_most_one_in_334() -> None:
    assert (one_in(0), one_in(1), one_in(1_000), one_in(10_000)) == (1, 1, 334, 3_338)


@given(trials=st.integers(0, 10**9))
def test_one_in_n_promises_no_more_than_the_bound(trials: int) -> None:
    assert 1 / one_in(trials) >= rule_of_three(trials)


@pytest.mark.parametrize(
    ("bound", "needed"), [(0.5, 5), (0.1, 29), (0.01, 299), (0.001, 2_995), (0.0001, 29_956)]
)
def test_connections_needed_for_a_bound(bound: float, needed: int) -> None:
    assert connections_needed(bound) == needed


@given(bound=st.floats(1e-9, 0.999), level=st.floats(0.5, 0.999))
def test_the_connections_needed_suffice_and_one_fewer_does_not(bound: float, level: float) -> None:
    needed = connections_needed(bound, level)
    assert rule_of_three(needed, level) <= bound
    assert needed == 1 or rule_of_three(needed - 1, level) > bound


@given(trials=st.integers(1, 10**7))
def test_the_bound_of_a_run_needs_just_that_run(trials: int) -> None:
    assert connections_needed(rule_of_three(trials)) == trials


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 5), "successes must be finite and at least 0"),
        ((6, 5), "successes must not be more than trials"),
        ((1.5, 5), "successes must be whole numbers"),
        ((1, float("nan")), "trials must be finite and at least 0"),
        ((1, "many"), "trials must be numbers"),
        (([1, 2], [5, 5, 5]), "successes and trials must broadcast, not the shapes"),
        ((1, 5, 0.0), "level must be above 0 and below 1, not 0.0"),
        ((1, 5, 95), "level must be above 0 and below 1, not 95"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(method: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(*arguments)


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.1, 1e-13, float("nan")])
def test_a_bound_that_nothing_can_promise_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="bound must be at least 1e-12 and below 1"):
        connections_needed(bound)


def test_the_score_interval_is_where_the_test_just_rejects() -> None:
    """Wilson's definition: at each end the count is z standard deviations away."""
    x, n = 13, 400
    for end in ends(wilson(x, n)):
        assert abs(x - n * end) / np.sqrt(n * end * (1 - end)) == pytest.approx(1.959964, rel=1e-6)


def test_connections_that_share_sessions_are_needed_in_greater_number() -> None:
    assert connections_needed(0.001) == connections_needed(0.001, design_effect=1) == 2_995
    assert connections_needed(0.001, design_effect=1.4) == 4_193
    for effect in (0.9, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="design_effect must be finite and at least 1"):
            connections_needed(0.001, design_effect=effect)
