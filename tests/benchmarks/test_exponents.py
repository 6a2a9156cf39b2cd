"""Exponents of costs whose growth is known, and what is said of them."""

import pytest

from benchmarks.exponents import Exponent, Growth, exponent, growth, of_largest

SIZES = (1, 2, 5, 10)


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_a_power_is_found(power: float) -> None:
    value, spread = exponent([(size, 3 * size**power) for size in SIZES])
    assert (value, spread) == pytest.approx((power, 0), abs=1e-6)


def test_the_spread_is_that_of_the_slope() -> None:
    """By hand: x = 0, 1, 2; y = 0, 2, 1; slope 1/2, residuals' squares 1.5; t(0.975, 1) = 12.71."""
    e = 2.718281828459045
    value, spread = exponent([(1, 1), (e, e**2), (e**2, e)])
    assert value == pytest.approx(0.5)
    assert spread == pytest.approx(12.706 * (1.5 / 2) ** 0.5, rel=1e-4)


def test_two_points_do_not_know_their_spread() -> None:
    with pytest.raises(ValueError, match="2 points"):
        exponent([(1, 1), (2, 2)])


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Exponent(0.9, 0.1), Growth.NOT_WORSE),
        (Exponent(1.02, 0.03), Growth.NOT_WORSE),
        (Exponent(1.02, 0.01), Growth.WORSE),
        (Exponent(0.9, 0.3), Growth.UNKNOWN),
    ],
    ids=["less", "within its spread", "more", "noisy"],
)
def test_what_an_exponent_says(found: Exponent, says: Growth) -> None:
    assert found.growth == says


def test_a_square_behind_a_cost_that_is_always_there_is_seen() -> None:
    """All sizes together have the exponent 0.9: the largest tell."""
    points = [(size, 200 + size**2) for size in (1, 10, 100, 1_000)]
    points += [(size, cost * 1.01) for size, cost in points]
    assert exponent(of_largest(points)).growth is not Growth.NOT_WORSE
    assert growth(points) is not Growth.NOT_WORSE


def test_the_largest_are_those_of_three_sizes_in_every_round() -> None:
    points = [(float(size), 1.0) for size in SIZES]
    assert of_largest(points * 2) == points[1:] * 2
