"""Comparisons: the papers' tables, the tests' definitions, coverage and errors by simulation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from chunk7.analysis.statistics.paired import (
    PairedComparison,
    compare_paired,
    compare_unpaired,
    holm,
    mcnemar,
    newcombe_paired,
    newcombe_unpaired,
)

DRAWS = 2_000
cell = st.integers(0, 5_000)


@pytest.mark.parametrize(
    ("cells", "limits"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)), ((20, 12, 2, 16), (0.0562, 0.3292)),
        ((18, 12, 2, 18), (0.0562, 0.3290)), ((36, 14, 0, 0), (0.1528, 0.4167)),
        ((35, 14, 0, 1), (0.1461, 0.4175)), ((18, 14, 0, 18), (0.1441, 0.3963)),
        ((2, 97, 1, 0), (0.8721, 0.9854)), ((1, 97, 1, 1), (0.8736, 0.9850)),
        ((0, 29, 1, 0), (0.6666, 0.9882)), ((2, 98, 0, 0), (0.9178, 0.9945)),
        ((1, 98, 0, 1), (0.9171, 0.9916)), ((0, 30, 0, 0), (0.8395, 1.0)),
        ((54, 0, 0, 0), (-0.0664, 0.0664)), ((30, 0, 0, 24), (-0.0358, 0.0358)),
    ],
)  # fmt: skip
def test_newcombes_paired_examples(cells: Any, limits: Any) -> None:
    """R. G. Newcombe, Stat. Med. 17 (1998) 2635, table III, method 10; it rounds to 4 digits."""
    interval = newcombe_paired(*cells)
    assert (interval.low, interval.high) == pytest.approx(limits, abs=1.5e-4)


@pytest.mark.parametrize(
    ("counts", "limits"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)), ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)), ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0)), ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)  # fmt: skip
def test_newcombes_unpaired_examples(counts: Any, limits: Any) -> None:
    """R. G. Newcombe, Stat. Med. 17 (1998) 873, table II, method 10."""
    interval = newcombe_unpaired(*counts)
    assert (interval.low, interval.high) == pytest.approx(limits, abs=6e-5)


def pairs(first: float, second: float, correlation: float, count: int) -> Any:
    """(both, only_first, only_second, neither), each of shape (DRAWS,)."""
    both = first * second + correlation * np.sqrt(first * (1 - first) * second * (1 - second))
    cells = [both, first - both, second - both, 1 - first - second + both]
    return np.random.default_rng(11).multinomial(count, cells, DRAWS).T


@pytest.mark.parametrize("count", [200, 1_000, 5_000])
@pytest.mark.parametrize(
    ("first", "second", "correlation"),
    [(0.3, 0.2, 0.0), (0.2, 0.2, 0.3), (0.1, 0.05, 0.1), (0.05, 0.03, 0.0), (0.5, 0.1, 0.2)],
)
def test_the_paired_interval_covers_95_percent(
    first: float, second: float, correlation: float, count: int
) -> None:
    interval = newcombe_paired(*pairs(first, second, correlation, count))
    truth = first - second
    assert 0.93 <= ((interval.low <= truth) & (truth <= interval.high)).mean() <= 0.97


@pytest.mark.parametrize(
    ("first", "second", "of_first", "of_second"),
    [(0.3, 0.2, 200, 200), (0.05, 0.03, 1_000, 2_000), (0.02, 0.02, 5_000, 1_000)],
)
def test_the_unpaired_interval_covers_95_percent(
    first: float, second: float, of_first: int, of_second: int
) -> None:
    rng = np.random.default_rng(12)
    x, y = rng.binomial(of_first, first, DRAWS), rng.binomial(of_second, second, DRAWS)
    interval = newcombe_unpaired(x, of_first, y, of_second)
    truth = first - second
    assert 0.93 <= ((interval.low <= truth) & (truth <= interval.high)).mean() <= 0.97


@given(cells=st.tuples(cell, cell, cell, cell).filter(any), level=st.floats(0.5, 0.999))
def test_the_paired_interval_holds_the_difference_and_turns_with_the_pair(
    cells: tuple[int, int, int, int], level: float
) -> None:
    both, only_first, only_second, neither = cells
    interval = newcombe_paired(*cells, level)
    turned = newcombe_paired(both, only_second, only_first, neither, level)
    difference = (only_first - only_second) / sum(cells)
    assert -1 <= interval.low <= difference + 1e-12
    assert difference - 1e-12 <= interval.high <= 1
    assert interval.low < interval.high
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low), abs=1e-9)


@given(counts=st.tuples(cell, cell, cell, cell), level=st.floats(0.5, 0.99))
def test_the_unpaired_interval_holds_the_difference_and_widens_with_the_level(
    counts: tuple[int, int, int, int], level: float
) -> None:
    x, y, more_x, more_y = counts
    table = (x, x + more_x + 1, y, y + more_y + 1)
    narrow, wide = newcombe_unpaired(*table, level), newcombe_unpaired(*table, level + 0.009)
    difference = table[0] / table[1] - table[2] / table[3]
    assert -1 <= wide.low <= narrow.low <= difference <= narrow.high <= wide.high <= 1
    assert wide.high - wide.low > narrow.high - narrow.low


@given(only_first=cell, only_second=cell)
def test_mcnemars_test_is_the_binomial_one(only_first: int, only_second: int) -> None:
    """scipy's underflows to 0 a little before ours does: of 15 and 1,060 ours is 1.03e-290."""
    total = only_first + only_second
    expected = binomtest(only_first, total).pvalue if total else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9, abs=1e-280)


def test_mcnemar_by_hand() -> None:
    """1 of 8: twice (1 + 8) / 2^8; the mid-p takes 8 / 2^8 off."""
    assert mcnemar(1, 7) == pytest.approx(18 / 256)
    assert mcnemar(1, 7, mid_p=True) == pytest.approx(10 / 256)
    assert mcnemar([0, 5, 3], [0, 0, 3]).tolist() == pytest.approx([1.0, 2 / 32, 1.0])


def test_the_exact_test_errs_too_seldom_and_mid_p_about_as_often_as_it_says() -> None:
    only_first, only_second = pairs(0.05, 0.05, 0.0, 400)[1:3]
    assert (mcnemar(only_first, only_second) < 0.05).mean() <= 0.05
    assert 0.03 <= (mcnemar(only_first, only_second, mid_p=True) < 0.05).mean() <= 0.065


def test_holm_by_hand() -> None:
    """0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1, which may not be less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.asarray(p_values))).all()


def test_holm_errs_in_five_percent_of_families_and_uncorrected_tests_in_a_third() -> None:
    """Ten cells in which nothing differs."""
    p = 2 * norm.sf(np.abs(np.random.default_rng(13).standard_normal((DRAWS, 10))))
    assert np.mean([(holm(row) < 0.05).any() for row in p]) <= 0.05 + 0.015
    assert (p < 0.05).any(axis=1).mean() > 0.3


def test_two_orderings_on_the_same_connections_compared_whole() -> None:
    first = np.array([True] * 48 + [False] * 2)
    second = np.array([True] * 36 + [False] * 12 + [True] * 2)
    found = compare_paired(first, second)
    interval = newcombe_paired(36, 12, 2, 0)
    p_value = 2 * (1 + 14 + 91) / 2**14
    assert found == PairedComparison(
        0.96, 0.76, 0.2, interval.low, interval.high, pytest.approx(p_value), 12, 2
    )


def test_two_runs_of_different_seeds_compared_whole() -> None:
    """Fisher's tea: 3 and 1 of 4 cups, p = 34 / 70."""
    found = compare_unpaired(3, 4, 1, 4)
    interval = newcombe_unpaired(3, 4, 1, 4)
    assert found == PairedComparison(
        0.75, 0.25, 0.5, interval.low, interval.high, pytest.approx(34 / 70)
    )


def test_two_orderings_that_lose_nothing_still_have_an_interval() -> None:
    nothing = np.zeros(100, dtype=bool)
    found = compare_paired(nothing, nothing)
    assert (found.difference, found.p_value) == (0.0, 1.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_paired([True], [True, False]), r"second must have the shape \(1,\)"),
        (lambda: compare_paired([1], [0]), "first must be booleans, not int64"),
        (
            lambda: compare_paired(np.zeros(0, bool), np.zeros(0, bool)),
            "first must have at least one pair",
        ),
        (lambda: newcombe_paired(0, 0, 0, 0), "must add up to at least 1"),
        (lambda: newcombe_paired(1, -1, 0, 0), "only_first must be finite and at least 0"),
        (lambda: newcombe_unpaired(0, 0, 1, 2), "trials_first must be finite and at least 1"),
        (lambda: compare_unpaired(1, 2, 3, 2), "hits must not be more than units"),
        (lambda: mcnemar(0.5, 1), "only_first must be whole numbers"),
        (lambda: holm([0.1, 1.1]), "p_values must be from 0 to 1"),
        (lambda: holm([float("nan")]), "p_values must be from 0 to 1"),
        (lambda: holm([[0.1]]), "p_values must have one axis"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# --- sessions ------------------------------------------------------------------------------


def test_pairs_that_share_sessions_widen_the_interval_and_leave_the_test() -> None:
    """All of a session lose in one cell or in the other: 4 sessions say less than 40 pairs."""
    session = np.repeat([0, 1, 2, 3], 10)
    first, second = session != 3, session == 3
    alone = compare_paired(first, second)
    shared = compare_paired(first, second, sessions=session)
    assert (alone.difference, alone.p_value) == (shared.difference, shared.p_value)
    assert alone.low > 0 > shared.low
    each = compare_paired(first, second, sessions=np.arange(40))
    assert (each.low, each.high) == (alone.low, alone.high)


def test_runs_with_different_seeds_count_their_connections_by_session() -> None:
    """30 of 120 against 60: a difference if all are independent, none if two sessions bear it."""
    units = np.full(4, 30)
    alone = compare_unpaired(30, 120, 60, 120)
    alike = compare_unpaired([7, 8, 7, 8], units, [15, 15, 15, 15], units)
    unlike = compare_unpaired([30, 0, 0, 0], units, [30, 30, 0, 0], units)
    assert alone.p_value == alike.p_value < 0.001
    assert (alone.low, alone.high) == pytest.approx((alike.low, alike.high))
    assert unlike.difference == alone.difference
    assert unlike.p_value > 0.3
    assert unlike.low < 0 < unlike.high


def test_one_of_sessions_for_each_pair() -> None:
    with pytest.raises(ValueError, match=r"sessions must have the shape \(2,\)"):
        compare_paired(np.array([True, False]), np.array([True, True]), sessions=[1])
