"""A plan is refused in one line that names what is out of its bounds; its instants keep to it."""

import argparse
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chunk7.delivery.errors import UsageError
from chunk7.wire.parameters import Parameter
from chunk7.wire.plan import (
    MAX_SESSIONS,
    OPTIONS,
    PARAMETERS,
    STAY,
    Cell,
    Plan,
    add_options,
    as_options,
    check,
    read_plan,
)

CELL = Cell("c", "w")
PLAN = Plan(run="r", cells=[CELL])


def within(parameter: Parameter) -> st.SearchStrategy[float | int | None]:
    """Any value that it may have."""
    if parameter.whole:
        value: st.SearchStrategy[Any] = st.integers(int(parameter.low), int(parameter.high))
    else:
        value = st.floats(parameter.low, parameter.high)
    return st.none() | value if parameter.none else value


def outside(parameter: Parameter) -> st.SearchStrategy[float | int]:
    """Any number that it may not have; no number where there must be one."""
    if parameter.whole:
        low, high = int(parameter.low), int(parameter.high)
        return st.integers(max_value=low - 1) | st.integers(min_value=high + 1)
    below = st.floats(max_value=parameter.low, exclude_max=True)
    return below | st.floats(min_value=parameter.high, exclude_min=True) | st.just(float("nan"))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan whose parameters are within their bounds, and fit together."""
    values = {name: draw(within(found)) for name, found in PARAMETERS.items()}
    cells = draw(st.integers(1, max(1, min(20, MAX_SESSIONS // int(values["sessions"] or 1)))))
    plan = Plan(
        run=draw(st.from_regex(r"[A-Z0-9_-]{1,64}", fullmatch=True)), cells=[CELL] * cells, **values
    )  # type: ignore[arg-type]
    assume(plan.slots == 1 or plan.quiet_ms < plan.slot_ms)
    return plan


@given(plans())
def test_a_plan_within_its_bounds_is_taken_and_survives_the_wire(plan: Plan) -> None:
    check(plan)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@given(plans())
def test_instants_follow_one_another(plan: Plan) -> None:
    """Cell after cell: it starts, streams, its clients go, and the next one starts."""
    last = len(plan.cells) - 1
    for cell in (0, last):
        start_ms, gone_ms = plan.cell_start_ms(cell), plan.cell_gone_ms(cell)
        last_leave_ms = start_ms + plan.duration_ms + STAY * plan.quiet_ms
        instants = (0, start_ms, start_ms + plan.duration_ms, last_leave_ms, gone_ms)
        assert all(a <= b for a, b in pairwise((*instants, plan.cell_start_ms(cell + 1))))
    assert plan.first_ms + plan.length_ms == plan.end_ms == plan.cell_start_ms(last + 1)
    assert plan.slots * plan.slot_ms == pytest.approx(plan.duration_ms)


def test_the_first_cell_waits_until_its_users_can_have_heard_of_it() -> None:
    """It waited no longer for a hundred thousand than for a hundred."""
    few, many = replace(PLAN, users=100), replace(PLAN, users=100_000)
    assert (few.first_ms, many.first_ms) == (1_010, 11_000)
    assert replace(many, lead_ms=0).first_ms == 0


@given(st.data(), st.sampled_from(list(PARAMETERS.values())))
def test_whatever_is_out_of_its_bounds_is_named_with_them(
    data: st.DataObject, parameter: Parameter
) -> None:
    value = data.draw(outside(parameter))
    with pytest.raises(UsageError) as caught:
        check(replace(PLAN, **{parameter.name: value}))
    line = str(caught.value)
    assert line.startswith(f"{parameter.name} ")
    assert "must be between" in line
    assert "\n" not in line


@given(plans())
def test_a_command_line_gives_back_the_plan_that_it_was_spelled_from(plan: Plan) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser)
    words = [f"{p.option}={p.spelled(getattr(plan, name))}" for name, p in OPTIONS.items()]
    given_ = vars(parser.parse_args(words))
    fixed = {"run": plan.run, "cells": plan.cells, "number": plan.number, "lead_ms": plan.lead_ms}
    assert read_plan(given_, **fixed) == plan


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("run", "a/b", "run: 'a/b' is not 1 to 64 letters, digits, - or _"),
        ("run", "", "run: '' is not 1 to 64 letters, digits, - or _"),
        ("run", "demo-1", "run: 'demo-1' is a name of the browser page, which is not recorded"),
        ("seed", -1, "seed -1: must be between 0 and 9007199254740992"),
        ("sessions", 10_001, "sessions 10001: must be between 1 and 10000"),
        ("duration_ms", 99, "duration_ms 99: must be between 100 and 86400000"),
        ("chunk_rate", 0.0, "chunk_rate 0: must be between 0.1 and 10000, or recorded"),
        ("chunk_rate", float("nan"), "chunk_rate nan: must be between 0.1 and 10000, or recorded"),
        ("jitter", None, "jitter none: must be between 0 and 10"),
        ("cells", [], "cells: 0 with 10 sessions each; want at least one cell and at most 100000 "),
        ("cells", [CELL] * 10_001, "cells: 10001 with 10 sessions each; want at least one cell "),
    ],
)
def test_a_bad_field_is_told_in_one_line(field: str, value: Any, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(replace(PLAN, **{field: value}))
    assert str(caught.value).startswith(line)


def test_a_join_must_be_over_before_the_users_next_one() -> None:
    """Later slots of a cell begin with the settle time; joins need what is left of them."""
    slow = replace(PLAN, duration_ms=10_000, node_work_ms=5_000.0)
    with pytest.raises(UsageError, match=r"^duration_ms: a join may take 7456 ms"):
        check(slow)
    check(replace(slow, duration_ms=7_400))
    check(replace(slow, settle_ms=4_999))


def test_without_a_settle_time_of_its_own_it_is_as_long_as_joins_and_writes_take() -> None:
    slow = replace(PLAN, node_work_ms=80.0, save_lag_ms=40.0, store_latency_ms=10.0)
    assert slow.quiet_ms == 1_200 + (80 + 40 + 12 * 10) / 0.8
    assert replace(slow, settle_ms=0).quiet_ms == 0


def test_who_typed_options_is_told_of_options() -> None:
    assert as_options("duration_ms: too short") == "--duration: too short"
    assert as_options("run: 'x' is no run") == "--run: 'x' is no run"
    several = "sessions, duration_ms, chunk_rate: more than 9 chunks a cell"
    assert as_options(several) == "--sessions, --duration, --chunk-rate: more than 9 chunks a cell"
    assert as_options("answer a: no field of a plan") == "answer a: no field of a plan"


def test_every_parameter_says_what_it_is_and_may_be_its_own_default() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.what, name
        parameter.check(getattr(PLAN, name))
        assert all(
            parameter.read(parameter.spelled(v * parameter.per_s)) for v in parameter.usual if v
        )
