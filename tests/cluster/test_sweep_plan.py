"""From options to a plan, from a plan to units: compared whole."""

from typing import Any

import pytest
from msgspec.structs import replace
from sweep_kit import PLAN, cells

from chunk7.cluster.jobs.sweep.factors import FACTORS, chosen_factors
from chunk7.cluster.jobs.sweep.plan import (
    Unit,
    chosen_cells,
    chosen_ways,
    difference,
    live_settings,
    units,
)
from chunk7.delivery.errors import UsageError
from chunk7.wire.plan import check

BASE = {name: factor.base for name, factor in FACTORS.items()}
NONE: dict[str, str | None] = {}


def test_a_plan_is_a_unit_for_each_setting_and_way_the_base_first() -> None:
    slow, idle = replace(PLAN.base, chunk_rate=10.0), replace(PLAN.base, node_work_ms=0.0)
    base = (("chunk-rate", 20.0), ("node-work", 10.0))
    assert units(PLAN) == [
        Unit("live", "base", PLAN.base, base),
        Unit("simulation", "base", PLAN.base, base),
        Unit("live", "chunk-rate-10", slow, (("chunk-rate", 10.0),)),
        Unit("simulation", "chunk-rate-10", slow, (("chunk-rate", 10.0),)),
        Unit("live", "node-work-0", idle, (("node-work", 0.0),)),
        Unit("simulation", "node-work-0", idle, (("node-work", 0.0),)),
    ]


def test_one_way_alone_is_half_the_units() -> None:
    assert [unit.title for unit in units(replace(PLAN, by=["simulation"]))] == [
        "simulation base",
        "simulation chunk-rate 10",
        "simulation node-work 0",
    ]


def test_values_that_differ_in_the_last_digit_have_folders_of_their_own() -> None:
    close = replace(PLAN, factors={"chunk-rate": [1234567.0, 1234568.0]})
    names = [unit.name for unit in units(close)]
    assert len(set(names)) == len(names) / 2


def test_a_setting_becomes_the_options_of_a_run() -> None:
    setting = replace(PLAN.base, chunk_rate=40.0, store_latency_ms=2.0)
    found = live_settings(PLAN, cells(), setting)
    assert (found.plan, found.nodes) == (setting, 2)


def test_a_factor_is_read_and_set_in_the_plan_within_its_bounds() -> None:
    joins = FACTORS["concurrent-joins"]
    more = joins.set_to(30.0, PLAN.base)
    assert more == replace(PLAN.base, users=30)
    assert joins.of(more) == 30.0
    for factor in FACTORS.values():
        for value in (*factor.values, factor.base):
            check(factor.set_to(value, PLAN.base))


def test_the_default_is_all_factors_with_the_base_value_among_their_values() -> None:
    assert chosen_factors([], NONE, BASE) == {
        "chunk-rate": [5, 10, 20, 40, 80],
        "store-latency": [0, 2, 5, 10, 20],
        "node-work": [0, 5, 10, 20, 50],
        "concurrent-joins": [30, 60, 120, 240],
    }


def test_given_values_are_sorted_once_each_and_joined_by_the_base() -> None:
    values = {"node-work": "30, 5,5"}
    assert chosen_factors(["node-work"], values, BASE) == {"node-work": [5, 10, 30]}


@pytest.mark.parametrize(
    ("named", "values", "line"),
    [
        (
            ["load"],
            NONE,
            "--factor load: must be one of chunk-rate, store-latency, node-work, concurrent-joins",
        ),
        (["node-work"], {"node-work": "1,x"}, "--node-work-ms x: want a number"),
        (["node-work"], {"node-work": ","}, "--node-work-ms ,: want one value or more"),
        ([], {"chunk-rate": "0"}, "--chunk-rate 0: must be between 0.1 and 10000"),
        ([], {"store-latency": "-1"}, "--store-latency-ms -1: must be between 0 and 10000"),
        ([], {"concurrent-joins": "2.5"}, "--concurrent-joins 2.5: want a whole number"),
        (
            [],
            {"node-work": ",".join(map(str, range(30)))},
            "30 values with the base value; at most",
        ),
        (["node-work"], {"chunk-rate": "5"}, "--chunk-rate 5: --factor leaves chunk-rate out"),
    ],
)
def test_bad_factors_and_values_end_in_one_line(
    named: list[str], values: dict[str, str | None], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        chosen_factors(named, values, BASE)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ways_come_live_first_and_both_by_default() -> None:
    assert chosen_ways([]) == ["live", "simulation"]
    assert chosen_ways(["simulation", "live"]) == ["live", "simulation"]
    assert chosen_ways(["simulation"]) == ["simulation"]
    with pytest.raises(UsageError, match="--by guess: must be one of live, simulation"):
        chosen_ways(["guess"])


def test_the_default_cells_are_the_bug_and_a_pair_that_loses_nothing() -> None:
    assert [cell.name for cell in chosen_cells(None, None).cells] == [
        "history_then_subscribe x publish_then_save",
        "buffered_merge x atomic_lua",
    ]


def test_named_orderings_are_paired_as_in_a_run_but_bounded() -> None:
    named = chosen_cells(["history_then_subscribe"], ["publish_then_save,atomic_lua"])
    assert [cell.write for cell in named.cells] == ["publish_then_save", "atomic_lua"]
    with pytest.raises(UsageError, match=r"\d+ pairs; a sweep takes at most 8"):
        chosen_cells(["all"], ["all"])


def test_the_same_plan_has_no_difference() -> None:
    assert difference(PLAN, replace(PLAN)) is None


def test_a_difference_names_the_option_and_both_values() -> None:
    found = {
        difference(PLAN, replace(PLAN, nodes=3)),
        difference(PLAN, replace(PLAN, simulated=300)),
    }
    changes: list[dict[str, Any]] = [
        {"sessions": 4},
        {"duration_ms": 2_500},
        {"save_lag_ms": 0.0},
        {"ttft_ms": 9.0},
        {"users": 13},
        {"cells": []},
    ]
    for change in changes:
        found.add(difference(PLAN, replace(PLAN, base=replace(PLAN.base, **change))))
    assert found == {
        "--nodes was 2, not 3",
        "--sessions was 3, not 4",
        "--duration was 2, not 2.5",
        "--save-lag-ms was 5, not 0",
        "--simulated was 200, not 300",
        "--ttft-ms was recorded, not 9",
        "--base-concurrent-joins was 12, not 13",
        "--connect, --write was history_then_subscribe x publish_then_save, not ",
    }
