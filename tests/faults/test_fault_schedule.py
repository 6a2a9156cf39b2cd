"""`--fault`: what may be typed, and which moments a plan makes of it."""

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.faults import LIVE
from chunk7.faults.schedule import parse_fault, parse_faults, strikes
from chunk7.wire.plan import Cell, Plan

CELLS = [Cell("history_then_subscribe", "atomic_lua"), Cell("buffered_merge", "atomic_lua")]


def a_plan(*faults: str, seed: int = 7) -> Plan:
    return Plan(run="r", cells=CELLS, faults=faults, seed=seed, duration_ms=4_000)


def test_a_moment_a_length_and_settings() -> None:
    found = parse_fault("store_latency@1.5s:for=500ms,ms=80")
    assert (found.fault.name, found.earliest_ms, found.latest_ms) == ("store_latency", 1_500, 1_500)
    assert (found.for_ms, found.values) == (500, {"ms": 80})


def test_what_is_not_said_has_the_faults_own_value() -> None:
    assert (parse_fault("node_kill@2s").for_ms, parse_fault("node_kill@2s").values) == (1_000, {})
    assert parse_fault("store_restart@2s").values == {"persist": "yes"}
    assert parse_fault("trim@2s").for_ms == 0


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("node_kill", "'node_kill': want NAME@AT[:KEY=VALUE,...], such as node_kill@2s or"),
        ("nod@2s", f"'nod': one of {', '.join(LIVE)}"),
        ("node_kill@2", "node_kill: the moment '2': want a time such as 2s or 500ms"),
        ("node_kill@-2s", "node_kill: the moment '-2s': want a time such as 2s or 500ms"),
        ("node_kill@3s..2s", "node_kill@3s..2s: the second moment must not be before the first"),
        ("node_kill@2s:for=soon", "node_kill: for 'soon': want a time such as 2s or 500ms"),
        ("node_kill@2s:ms=1", "node_kill: 'ms': one of for"),
        ("trim@2s:for=1s", "trim: it is over at once and takes no for="),
        ("trim@2s:keep=1", "trim: 'keep': it takes no values"),
        ("store_latency@2s:ms=-1", "store_latency: ms -1: must be between 0 and 10000"),
        ("store_restart@2s:persist=maybe", "store_restart: persist='maybe': one of yes, no"),
        ("node_kill@2s:for=1s,for=2s", "node_kill: 'for=2s' is not KEY=VALUE, each key once"),
        ("node_kill@2s:\x1b", "node_kill: '\\x1b' is not KEY=VALUE, each key once"),
    ],
)
def test_a_bad_one_is_one_line_that_says_what_may_be(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert str(caught.value).startswith(f"--fault {line}")
    assert "\n" not in str(caught.value)


def test_a_fault_must_be_over_before_its_cell_is() -> None:
    with pytest.raises(UsageError, match=r"--fault node_kill@3500ms: it would last until 4500 ms"):
        parse_faults(("node_kill@3500ms",), duration_ms=4_000)


def test_every_cell_is_hit_at_the_same_moment_and_the_same_node() -> None:
    plan = a_plan("trim@3s", "node_kill@1s..2s")
    found = strikes(plan)
    assert [(one.name, one.cell) for one in found] == [
        ("node_kill", 0), ("trim", 0), ("node_kill", 1), ("trim", 1)
    ]  # fmt: skip
    offsets = [one.at_ms - plan.cell_start_ms(one.cell) for one in found]
    assert offsets[:2] == pytest.approx(offsets[2:])
    assert 1_000 <= offsets[0] <= 2_000
    assert found[0].draw == found[2].draw


def test_the_schedule_is_the_seeds() -> None:
    faults = ("node_kill@1s..2s",)
    assert strikes(a_plan(*faults)) == strikes(a_plan(*faults))
    assert strikes(a_plan(*faults)) != strikes(a_plan(*faults, seed=8))
