"""The law held against counts: exact tails by hand, false alarms, power, and the band."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, poisson

from chunk7.analysis.law import Joins, Writes, handover
from chunk7.analysis.statistics.fit import Agreement, Fit, calibration, fit

DRAWS = 2_000


def held(
    measured: float, mean: float, *, variance: Any = None, least: Any = None, most: Any = None
) -> Fit:
    """100 connections that share the predicted sums evenly; one has all measured chunks."""
    counts = np.zeros(100)
    counts[0] = measured
    sums = [mean, mean if variance is None else variance]
    sums += [mean if end is None else end for end in (least, most)]
    return fit(counts, *(np.full(100, total / 100) for total in sums))


def test_ten_expected_by_hand() -> None:
    """Poisson with mean 10: 18 or more has the probability 0.0143, 17 or more 0.0270."""
    found = held(18, 10)
    assert found.p_value == pytest.approx(2 * poisson.sf(17, 10))
    assert found.z == pytest.approx(8 / np.sqrt(10))
    assert found.verdict is Agreement.DISAGREES
    assert held(17, 10).verdict is Agreement.AGREES
    assert held(3, 10).p_value == pytest.approx(2 * poisson.cdf(3, 10))
    assert held(3, 10).verdict is Agreement.DISAGREES
    assert held(4, 10).verdict is Agreement.AGREES
    assert 3 < found.low < 4 < 17 < found.high < 18


def test_the_ratio_has_garwoods_interval() -> None:
    """F. Garwood (1936): half the chi-squared quantiles of 2 x and 2 x + 2 degrees of freedom."""
    found = held(12, 8)
    low, high = chi2.ppf(0.025, 24) / 2, chi2.ppf(0.975, 26) / 2
    assert found.ratio == pytest.approx(1.5)
    assert (found.ratio_low, found.ratio_high) == pytest.approx((low / 8, high / 8))


def test_one_loss_where_a_hundredth_was_expected_is_not_called_a_miracle() -> None:
    """A normal distribution would say p = 1e-23; it is one in fifty, twice the tail."""
    found = held(1, 0.01)
    assert found.p_value == pytest.approx(0.0199, abs=1e-4)
    assert found.high < 1


def test_chunks_that_are_lost_in_pairs_are_half_as_many_events() -> None:
    """Every loss takes two chunks: mean 20, variance 40; 30 are 15 events where 10 are expected."""
    found = held(30, 20, variance=40)
    assert found.p_value == pytest.approx(2 * poisson.sf(14, 10))
    assert found.verdict is Agreement.AGREES
    assert held(34, 20).verdict is Agreement.DISAGREES


def test_a_law_that_is_certain_admits_one_number() -> None:
    assert held(20, 20, variance=0).verdict is Agreement.AGREES
    assert held(21, 20, variance=0).verdict is Agreement.DISAGREES


def test_nothing_predicted_and_nothing_lost_agree() -> None:
    found = held(0, 0)
    assert found == Fit(
        connections=100,
        measured=0.0,
        predicted=0.0,
        low=0.0,
        high=0.0,
        z=0.0,
        p_value=1.0,
        ratio=None,
        ratio_low=None,
        ratio_high=None,
        verdict=Agreement.AGREES,
    )


def test_one_loss_where_none_can_be_disagrees() -> None:
    found = held(1, 0)
    assert (found.z, found.p_value, found.verdict) == (np.inf, 0.0, Agreement.DISAGREES)


@pytest.mark.parametrize(
    ("measured", "mean", "verdict"),
    [
        (0, 3.6, Agreement.NO_EVIDENCE), (3, 3.6, Agreement.NO_EVIDENCE),
        (0, 3.7, Agreement.DISAGREES), (3, 3.7, Agreement.AGREES),
        (12, 3.6, Agreement.DISAGREES),
    ],
)  # fmt: skip
def test_too_little_expected_to_tell(measured: int, mean: float, verdict: Agreement) -> None:
    """Where no loss at all would agree, agreeing is no evidence; exp(-3.69) = 0.025."""
    assert held(measured, mean).verdict is verdict


def test_no_connections_are_no_evidence() -> None:
    assert fit([], [], [], [], []).verdict is Agreement.NO_EVIDENCE


def test_a_gap_that_may_be_there_is_no_evidence_when_nothing_is_lost() -> None:
    """By the estimate nothing can be lost; by the instants' uncertainty half a chunk could."""
    assert held(0, 0, most=0.5).verdict is Agreement.NO_EVIDENCE
    assert held(1, 0, most=0.5).verdict is Agreement.NO_EVIDENCE
    assert held(9, 0, most=0.5).verdict is Agreement.DISAGREES


def test_a_count_inside_the_band_is_not_held_against_the_law() -> None:
    found = held(140, 100, least=60, most=150)
    assert (found.z, found.p_value, found.verdict) == (0.0, 1.0, Agreement.AGREES)
    assert held(140, 100).verdict is Agreement.DISAGREES


def test_the_band_is_widened_by_chance_on_both_sides() -> None:
    found = held(100, 100, least=60, most=150)
    assert found.low == pytest.approx(held(60, 60).low)
    assert found.high == pytest.approx(held(150, 150).high)
    assert held(170, 100, least=60, most=150).z == pytest.approx(20 / np.sqrt(150))
    assert held(50, 100, least=60, most=150).z == pytest.approx(-10 / np.sqrt(60))


def test_a_band_from_nothing_leaves_the_ratio_unbounded_above() -> None:
    assert held(5, 5, least=0, most=10).ratio_high == np.inf


@given(
    measured=st.integers(0, 3_000),
    mean=st.floats(0.001, 2_000),
    phi=st.floats(0.05, 5),
    least=st.floats(0, 1),
    most=st.floats(1, 3),
)
def test_interval_p_value_and_verdict_are_of_one_mind(
    measured: int, mean: float, phi: float, least: float, most: float
) -> None:
    found = held(measured, mean, variance=phi * mean, least=least * mean, most=most * mean)
    assert found.low <= found.predicted <= found.high
    inside = found.low - 1e-6 <= measured <= found.high + 1e-6
    assert (found.p_value >= 0.05 - 1e-6) == inside
    assert (found.verdict is Agreement.DISAGREES) == (found.p_value < 0.05)
    assert found.ratio_low is not None
    assert found.ratio is not None
    assert found.ratio_high is not None
    assert found.ratio_low <= found.ratio <= found.ratio_high


def lossy_joins(connections: int, window_ns: float, seed: int) -> tuple[Any, Any]:
    """(simulated losses, shape (DRAWS, connections); the law's moments): joins at random instants.

    Chunks come at Poisson instants at 1 per 50 ns, 20 of them on average; every join is uniform
    over the same 1,000 ns, and reads `window_ns` before it subscribes.
    """
    rng = np.random.default_rng(seed)
    published = np.sort(rng.uniform(0, 1_000, rng.poisson(20)))
    zeros = np.zeros(connections)
    joins = Joins(zeros, zeros + 1_000.0, zeros + window_ns, zeros, np.zeros(connections, np.int64))
    lost, _ = handover(joins, Writes(published, published, np.arange(1, len(published) + 1)))
    at = rng.uniform(0, 1_000, (DRAWS, connections))
    found = np.searchsorted(published, at + window_ns) - np.searchsorted(published, at)
    return found, lost


@pytest.mark.parametrize(("connections", "window_ns"), [(200, 30.0), (50, 200.0), (400, 1.0)])
def test_the_law_is_unbiased_and_seldom_said_to_disagree_where_it_holds(
    connections: int, window_ns: float
) -> None:
    found, law = lossy_joins(connections, window_ns, seed=31)
    total = law.mean.sum()
    assert found.sum(axis=1).mean() == pytest.approx(
        total, abs=4 * np.sqrt(law.variance.sum() / DRAWS)
    )
    fits = [fit(row, law.mean, law.variance, law.mean, law.mean) for row in found]
    assert np.mean([one.verdict is Agreement.DISAGREES for one in fits]) <= 0.05 + 0.015
    held = [one.ratio_low <= 1 <= one.ratio_high for one in fits if one.ratio is not None]
    assert 0.93 <= np.mean(held) <= 1.0


def test_a_law_that_is_off_by_half_is_found_out() -> None:
    found, law = lossy_joins(400, 30.0, seed=32)
    off = 1.5 * law.mean
    fits = [fit(row, off, 1.5 * law.variance, off, off) for row in found[:200]]
    assert np.mean([one.verdict is Agreement.DISAGREES for one in fits]) > 0.95


def test_bins_hold_everybody_once_in_order_of_the_prediction() -> None:
    rng = np.random.default_rng(33)
    predicted = np.append(np.zeros(40), rng.exponential(0.2, 760))
    measured = rng.poisson(predicted)
    table = calibration(measured, predicted, 5)
    assert list(table) == ["connections", "predicted", "measured", "low", "high"]
    assert table["connections"].tolist() == [40, 152, 152, 152, 152, 152]
    assert table["predicted"].sum() == pytest.approx(predicted.sum())
    assert table["measured"].sum() == measured.sum()
    assert (np.diff(table["predicted"] / table["connections"]) > 0).all()


def test_bins_of_a_law_that_holds_cover_their_prediction() -> None:
    rng = np.random.default_rng(34)
    predicted = rng.exponential(0.3, 1_000)
    tables = [calibration(rng.poisson(predicted), predicted) for _ in range(80)]
    held = [((t["low"] <= t["predicted"]) & (t["predicted"] <= t["high"])).mean() for t in tables]
    assert 0.93 <= np.mean(held) <= 0.97


def test_connections_predicted_alike_share_a_bin() -> None:
    table = calibration([1, 0, 2, 0], [0.5, 0.5, 0.5, 0.5], 10)
    assert table[["connections", "predicted", "measured"]].to_numpy().tolist() == [[4, 2.0, 3.0]]
    assert calibration([], []).empty


def test_a_greater_variance_widens_the_bins() -> None:
    narrow = calibration([4, 6], [5.0, 5.0])
    wide = calibration([4, 6], [5.0, 5.0], variance=[20.0, 20.0])
    assert wide["low"][0] < narrow["low"][0] < 10 < narrow["high"][0] < wide["high"][0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit([1], [1, 2], [1], [1], [1]), r"mean must have the shape \(1,\)"),
        (lambda: fit([0.5], [1], [1], [1], [1]), "measured must be whole numbers"),
        (lambda: fit([1], [1], [-1], [1], [1]), "variance must be finite and at least 0"),
        (lambda: fit([1], [1], [1], [2], [3]), "mean must lie between low_mean and high_mean"),
        (lambda: fit([1], [1], [1], [0], [0.5]), "mean must lie between low_mean and high_mean"),
        (lambda: fit([1], [np.nan], [1], [0], [1]), "mean must be finite and at least 0"),
        (lambda: fit([1], [1], [1], [1], [1], 2.0), "level must be above 0 and below 1"),
        (lambda: calibration([1], [1], 0), "groups must be at least 1, not 0"),
        (lambda: calibration([1], [-1]), "predicted must be finite and at least 0"),
        (lambda: calibration([1], [1], variance=[1, 2]), r"variance must have the shape \(1,\)"),
        (lambda: calibration([1], [1], level=0), "level must be above 0 and below 1"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
