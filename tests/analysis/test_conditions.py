"""The grammar of thresholds, whatever they are about."""

import pytest

from chunk7.analysis.conditions import Condition, parse_condition
from chunk7.delivery.errors import UsageError

METRICS = ("lost", "window_ms.p95")


def test_a_condition_is_read_with_its_cell_and_without() -> None:
    assert parse_condition(" lost == 0 ", METRICS, "'lost==0'") == Condition(
        "lost == 0", "", "lost", "==", 0
    )
    cell = "mine.py:mine x atomic_lua"
    assert parse_condition(f"{cell}: window_ms.p95<1e1", METRICS, "").cell == cell


@pytest.mark.parametrize(
    ("operator", "holds"),
    [("<", (1, 0, 0)), ("<=", (1, 1, 0)), ("==", (0, 1, 0)), (">=", (0, 1, 1)), (">", (0, 0, 1))],
)
def test_a_condition_holds_as_its_operator_says(operator: str, holds: tuple[int, ...]) -> None:
    condition = parse_condition(f"lost{operator}2", METRICS, "")
    assert tuple(condition.holds(value) for value in (1, 2, 3)) == tuple(map(bool, holds))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lost", "write METRIC, one of <= >= == < >, and a number, such as 'lost==0'"),
        ("won==0", "no metric 'won'; one of lost, window_ms.p95"),
        ("lost==nan", "'nan' is not a number"),
        ("lost==few", "'few' is not a number"),
    ],
)
def test_a_wrong_condition_is_refused_in_a_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_condition(text, METRICS, "'lost==0'")
    assert str(refused.value) == f"threshold {text!r}: {reason}"
