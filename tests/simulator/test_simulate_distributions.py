"""Distributions are written down, drawn and refused as their module says."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.delivery.errors import UsageError
from chunk7.simulator.virtual.distributions import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    LogNormal,
    Uniform,
    empirical,
    parse_distribution,
    standard_normal,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", Constant(1.5)),
        ("constant(1)", Constant(1.0)),
        ("uniform(1, 3)", Uniform(1.0, 3.0)),
        ("uniform(high_ms=3,low_ms=1)", Uniform(1.0, 3.0)),
        ("exponential(2)", Exponential(2.0)),
        ("lognormal(median_ms=2,sigma=0.5)", LogNormal(2.0, 0.5)),
        ("lognormal(2,0.5)", LogNormal(2.0, 0.5)),
        ("empirical(1,2,2)", Empirical((1.0, 2.0, 2.0))),
    ],
)
def test_the_notation_is_read_by_place_and_by_name(text: str, expected: Distribution) -> None:
    assert parse_distribution(text, "--x") == expected


def test_measured_values_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_text("1.0\n2.5\n")
    assert parse_distribution(f"empirical(path={path})", "--x") == empirical([1, 2.5])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gauss(1)", "--x 'gauss(1)': must be a number, constant(value_ms)"),
        ("", "--x '': must be a number"),
        ("-1", "--x: value_ms is -1: must be 0 or more"),
        ("nan", "--x 'nan': must be a number"),
        ("constant()", "--x: constant(value_ms) lacks value_ms"),
        ("constant(1,2)", "--x: too many values for constant(value_ms)"),
        ("constant(one)", "--x: 'one' is not a number"),
        ("constant(inf)", "--x: 'inf' is not a finite number"),
        ("constant(1", "--x 'constant(1': the bracket does not close"),
        ("uniform(3,1)", "--x: low_ms 3 is above high_ms 1"),
        ("lognormal(median_ms=0,sigma=1)", "--x: median_ms is 0"),
        ("lognormal(2,99)", "--x: sigma is 99"),
        ("exponential(scale=2)", "--x: 'scale' does not fit exponential(mean_ms)"),
        ("constant(value_ms=1,value_ms=2)", "value_ms is given twice"),
        ("empirical()", "--x: no values"),
        ("empirical(path=/no/such/file)", "--x: cannot read /no/such/file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_distribution(text, "--x")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


_MS = st.floats(0, 1e6, allow_nan=False).map(lambda value: float(f"{value:g}"))
_ANY = st.one_of(
    st.builds(Constant, _MS),
    st.builds(lambda a, b: Uniform(min(a, b), max(a, b)), _MS, _MS),
    st.builds(Exponential, _MS),
    st.builds(LogNormal, _MS.filter(bool), st.floats(0, 2).map(lambda v: float(f"{v:g}"))),
    st.lists(_MS, min_size=1, max_size=5).map(empirical),
)


@given(_ANY)
def test_the_notation_of_a_distribution_gives_it_back(distribution: Distribution) -> None:
    assert parse_distribution(str(distribution), "--x") == distribution


@given(_ANY, st.integers(0, 2**32))
def test_draws_are_durations_and_repeatable(distribution: Distribution, seed: int) -> None:
    drawn = distribution.draw(np.random.default_rng(seed), 20)
    assert drawn.shape == (20,)
    assert np.all(np.isfinite(drawn))
    assert np.all(drawn >= 0)
    np.testing.assert_array_equal(drawn, distribution.draw(np.random.default_rng(seed), 20))


@pytest.mark.parametrize(
    "distribution",
    [Constant(3), Uniform(1, 4), Exponential(5), LogNormal(2, 0.5), empirical([1, 1, 7])],
    ids=str,
)
def test_the_mean_is_that_of_the_draws(distribution: Distribution) -> None:
    """Six standard errors: a false alarm once in 5 x 10^8 seeds, and the seed is fixed."""
    drawn = distribution.draw(np.random.default_rng(5), 200_000)
    assert abs(drawn.mean() - distribution.mean_ms) <= 6 * drawn.std() / math.sqrt(len(drawn))


def test_normal_values_are_normal_and_independent_of_each_other() -> None:
    """Two come of one radius and angle. Shares by the normal table, within six standard errors."""
    drawn = standard_normal(np.random.default_rng(3), 400_001)
    assert drawn.shape == (400_001,)
    for z, share in ((-3.0902, 0.001), (-1.2816, 0.1), (0.0, 0.5), (0.6745, 0.75), (3.0902, 0.999)):
        below = float(np.mean(drawn < z))
        assert abs(below - share) < 6 * math.sqrt(share * (1 - share) / len(drawn))
    first, second = drawn[:200_000].astype(float), drawn[200_001:].astype(float)
    for power in (1, 2):
        together = np.corrcoef(first**power, second**power)[0, 1]
        assert abs(together) < 6 / math.sqrt(200_000)
