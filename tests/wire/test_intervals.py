"""Shares whose units come in clusters: by hand, laws, and how often the interval holds."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from benchmarks.loss_rate_coverage import (
    Load,
    as_if_independent,
    covered,
    drawn,
    intervals,
    unlike,
)
from chunk7.simulator.virtual.settings import Arrivals
from chunk7.wire.intervals import (
    clustered_share,
    design_effect,
    effective_size,
    score_interval,
    units_needed,
)

DRAWS = 2_000
"""As in benchmarks/loss_rate_coverage.md, which has more settings."""

BURSTY, POISSON = Load(3, 40, Arrivals.BURSTY, 8), Load(10, 12, Arrivals.POISSON, 8)
TRUTH = {BURSTY: 0.2439, POISSON: 0.3743}
"""Of 4 million and 1.2 million connections."""


@cache
def lossy_of(load: Load) -> Any:
    return drawn(load, DRAWS)


def held(method: Any, lossy: Any, watchers: int, rate: float) -> int:
    return round(DRAWS * covered(method, lossy, watchers, rate)[0])


def is_93_to_97_percent(count: int) -> bool:
    """Unless so many, or so few, would come once in 1,000 times."""
    return bool(binom.ppf(0.001, DRAWS, 0.93) <= count <= binom.ppf(0.999, DRAWS, 0.97))


@st.composite
def clustered(draw: st.DrawFn) -> tuple[Any, Any]:
    units = np.array(draw(st.lists(st.integers(0, 60), min_size=1, max_size=12)))
    return np.array([draw(st.integers(0, int(size))) for size in units]), units


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(POISSON, id="poisson", marks=pytest.mark.wide),
        pytest.param(BURSTY, id="bursty"),
    ],
)
def test_it_holds_in_93_to_97_percent_when_watchers_share_an_answer(load: Load) -> None:
    assert is_93_to_97_percent(held(intervals, lossy_of(load), load.watchers, TRUTH[load]))


def test_wilsons_interval_of_the_connections_held_too_seldom() -> None:
    """Why it is not used: forty watchers of a burst lose together, and it held in 89%."""
    count = held(as_if_independent, lossy_of(BURSTY), BURSTY.watchers, TRUTH[BURSTY])
    assert count < binom.ppf(0.001, DRAWS, 0.93)


@pytest.mark.parametrize(("sessions", "watchers"), [(5, 24), (10, 50)])
@pytest.mark.parametrize("effect", [1, 2, 4])
def test_it_holds_as_often_when_every_session_has_a_rate_of_its_own(
    sessions: int, watchers: int, effect: float
) -> None:
    lossy = unlike(sessions, watchers, 0.3, effect, DRAWS)
    assert is_93_to_97_percent(held(intervals, lossy, watchers, 0.3))
    assert effect == 1 or not is_93_to_97_percent(held(as_if_independent, lossy, watchers, 0.3))


def test_two_sessions_by_hand() -> None:
    """1 and 3 of 10: the jackknife leaves 0.3 and 0.1, its variance is 1/2 (0.1^2 + 0.1^2) = 0.01.

    Independent units would have 0.2 * 0.8 / 20 = 0.008. The median of chi-square with one degree
    of freedom is 0.4549, t is 12.7062 and z 1.95996.
    """
    found = clustered_share([1, 3], [10, 10])
    effect = 0.01 / 0.008 / 0.454936
    worth = 20 / (1 + (effect - 1) * (12.706205 / 1.959964) ** 2)
    assert (found.share, found.design_effect) == (0.2, pytest.approx(effect, rel=1e-5))
    assert found.worth == pytest.approx(worth, rel=1e-5)
    ends = score_interval(0.2, worth)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-5)


@pytest.mark.parametrize(
    ("hits", "units", "why"),
    [
        ([0, 0, 0], [40, 40, 40], "none lost: whatever they share, nobody saw it"),
        ([40, 40, 40], [40, 40, 40], "all lost"),
        ([7], [40], "one session: it speaks of that one"),
        ([7, 0], [40, 0], "nobody watched the other"),
    ],
)
def test_where_the_effect_cannot_be_known_it_is_wilsons_interval(
    hits: list[int], units: list[int], why: str
) -> None:
    found, plain = clustered_share(hits, units), score_interval(sum(hits) / sum(units), sum(units))
    assert (found.low, found.high) == (plain.low, plain.high), why
    assert (found.design_effect, found.worth) == (None, sum(units)), why


def test_sessions_with_one_connection_each_share_nothing() -> None:
    found, plain = clustered_share([1, 0, 1, 0, 0], [1] * 5), score_interval(0.4, 5)
    assert (found.design_effect, found.low, found.high) == (1.0, plain.low, plain.high)


def test_a_single_loss_leaves_nearly_what_independent_connections_would() -> None:
    """So that the interval does not jump when one connection of 120 begins to lose."""
    found = clustered_share([1, *[0] * 9], [12] * 10)
    assert found.design_effect is not None
    assert found.design_effect < 1.1
    assert found.high == pytest.approx(score_interval(1 / 120, 120).high, rel=0.1)


def test_the_more_of_it_one_session_bears_the_wider_it_is() -> None:
    rows = ([4, 4, 4, 4, 4], [6, 5, 4, 3, 2], [10, 4, 3, 2, 1], [20, 0, 0, 0, 0])
    found = [clustered_share(row, [24] * 5) for row in rows]
    widths = [one.high - one.low for one in found]
    assert widths == sorted(widths)
    assert widths[0] == pytest.approx(score_interval(20 / 120, 120).high - found[0].low)
    assert widths[-1] > 3 * widths[0]


def test_without_units_nothing_is_known() -> None:
    found = clustered_share([], [])
    assert (found.share, found.low, found.high, found.worth) == (None, 0.0, 1.0, 0.0)


@given(clustered())
def test_it_holds_the_share_and_is_never_shorter_than_wilsons(rows: tuple[Any, Any]) -> None:
    hits, units = rows
    found = clustered_share(hits, units)
    if found.share is None:
        return
    plain = score_interval(found.share, int(units.sum()))
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.worth <= units.sum()
    assert found.low <= plain.low + 1e-12
    assert found.high >= plain.high - 1e-12


@given(clustered(), st.randoms())
def test_the_order_of_sessions_and_what_is_called_lost_do_not_matter(
    rows: tuple[Any, Any], random: Any
) -> None:
    hits, units = rows
    order = list(range(len(units)))
    random.shuffle(order)
    found, other = clustered_share(hits, units), clustered_share(hits[order], units[order])
    assert (found.low, found.high) == pytest.approx((other.low, other.high))
    kept = clustered_share(units - hits, units)
    assert (kept.low, kept.high) == pytest.approx((1 - found.high, 1 - found.low))


def test_an_effect_is_of_values_that_may_be_below_0_too() -> None:
    """Differences of pairs: 2 more here and 2 more there, in sessions of 4 pairs of +-1 each."""
    values = np.array([1, 1, 1, -1, 1, -1, -1, -1])
    session = np.repeat([0, 1], 4)
    found = design_effect(np.bincount(session, values), [4, 4], float(values.var()))
    assert found == pytest.approx(2 / 0.454936, rel=1e-5)
    assert effective_size([4, 4], found) < effective_size([4, 4], 1.0) == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clustered_share([1], [1, 2]), "must have one shape"),
        (lambda: clustered_share([[1]], [[2]]), "must have one shape"),
        (lambda: clustered_share([3], [2]), "hits must not be more than units"),
        (lambda: clustered_share([-1], [2]), "must be finite and at least 0"),
        (lambda: clustered_share([1], [float("inf")]), "must be finite and at least 0"),
        (lambda: clustered_share([1], [2], 1.0), "level must be above 0 and below 1"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("bound", "needed"), [(0.05, 73), (0.01, 381), (0.001, 3_838)])
def test_units_needed_for_a_bound(bound: float, needed: int) -> None:
    assert units_needed(bound) == needed


@given(st.floats(1e-6, 0.999))
def test_the_units_needed_suffice_and_one_fewer_does_not(bound: float) -> None:
    needed = units_needed(bound)
    assert score_interval(0, needed).high <= bound
    assert needed == 1 or score_interval(0, needed - 1).high > bound
