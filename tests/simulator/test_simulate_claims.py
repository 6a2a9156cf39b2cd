"""docs/seed-claims.md says what the law says, number by number."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual.claims import (
    HIGH_LOAD,
    LOW_LOAD,
    both_table,
    duty_table,
    implied_duty,
    implied_rate,
    loss_probability,
    loss_probability_even,
    rate_table,
    streaming_table,
)
from chunk7.simulator.virtual.presets import PRESETS
from chunk7.simulator.virtual.simulate import simulate

PAGE = (Path(__file__).parents[2] / "docs" / "seed-claims.md").read_text()
ORDERINGS = CONNECT_ORDERINGS["history_then_subscribe"], WRITE_ORDERINGS["publish_then_save"]


@pytest.mark.parametrize("table", [streaming_table, rate_table, duty_table, both_table])
def test_the_pages_tables_are_those_computed(table: object) -> None:
    assert callable(table)
    assert table() in PAGE


def test_the_page_has_no_other_tables() -> None:
    lines = sum(
        len(table().splitlines()) for table in (streaming_table, rate_table, duty_table, both_table)
    )
    assert sum(line.startswith("|") for line in PAGE.splitlines()) == lines


def test_numbers_worked_out_by_hand() -> None:
    assert loss_probability(50, 10) == pytest.approx(0.393469, abs=1e-6)  # 1 - exp(-1/2)
    assert loss_probability_even(50, 10) == 0.5
    assert loss_probability_even(50, 50) == 1.0
    assert implied_rate(0.393469, 10) == pytest.approx(50, abs=1e-3)
    assert implied_duty(0.01, 0.393469) == pytest.approx(0.025415, abs=1e-6)
    assert implied_duty(0.5, 0.393469) is None


@given(st.floats(0.01, 1_000))
def test_a_window_five_times_as_long_loses_less_than_five_times_as_much(rate: float) -> None:
    """So 1% at 10 ms never becomes 5% at 50 ms with Poisson chunks; even ones just reach it."""
    assert loss_probability(rate, 50) < 5 * loss_probability(rate, 10)
    assert loss_probability_even(rate, 50) <= 5 * loss_probability_even(rate, 10) + 1e-12


@given(st.floats(0.001, 0.9), st.floats(1, 100))
def test_the_implied_rate_gives_the_claimed_share(claimed: float, gap_ms: float) -> None:
    assert loss_probability(implied_rate(claimed, gap_ms), gap_ms) == pytest.approx(claimed)


def test_the_page_quotes_what_the_presets_come_to() -> None:
    """One million joins: six standard errors are 0.003, but rates are quoted to a per cent."""
    quoted = re.search(r"come out at (\d+)% and (\d+)% of\s+connections", PAGE)
    assert quoted
    for preset, percent in zip(PRESETS.values(), quoted.groups(), strict=True):
        found = simulate(preset.settings, *ORDERINGS)
        assert abs(100 * found.loss_rate - int(percent)) < 1.5


@pytest.mark.parametrize(
    ("name", "duty"), [("seed-single-node-low-load", 0.01), ("seed-multi-node-high-load", 0.08)]
)
def test_the_duties_that_the_page_names_bring_the_claims_about(name: str, duty: float) -> None:
    preset = PRESETS[name]
    found = simulate(replace(preset.settings, duty=duty, connections=300_000), *ORDERINGS)
    assert preset.claim.low < found.loss_rate_low
    assert found.loss_rate_high < preset.claim.high


def test_the_presets_windows_are_the_claims() -> None:
    for name, claim in zip(PRESETS, (LOW_LOAD, HIGH_LOAD), strict=True):
        preset = PRESETS[name]
        found = simulate(replace(preset.settings, connections=50_000), *ORDERINGS)
        assert preset.claim == claim
        assert found.window_ms is not None
        assert found.window_ms.p50 == pytest.approx(claim.window_ms, rel=0.03)
