"""The table of docs/reliability.md: how it is put together; `make reliability` measures it."""

import pytest

from benchmarks.reliability import BEGIN, END, Row, autobahn, mishaps, rewritten
from benchmarks.store_mishaps import Mishap


def test_only_what_is_between_the_markers_is_written_anew() -> None:
    page = f"above\n{BEGIN}old\n{END}below\n"
    assert rewritten(page, "new") == f"above\n{BEGIN}new\n{END}below\n"
    with pytest.raises(ValueError, match="lacks"):
        rewritten("no markers", "new")


def test_a_bound_that_is_not_held_is_said_beside_what_was_measured_before() -> None:
    row = Row("load", "5,200 half, 1,024 files", "ended with 1", "alive", False)
    assert row.text() == (
        "| load | 5,200 half, 1,024 files | ended with 1 | alive | **no** "
        "| the node ended after 4 s |"
    )


@pytest.mark.parametrize(
    ("lost", "told_ms", "held"),
    [
        ({"buffered_merge": 9, "redis_streams": 0}, 6.0, True),
        ({"buffered_merge": 0, "redis_streams": 1}, 6.0, False),
        ({"buffered_merge": 0, "redis_streams": 0}, None, False),
    ],
)
def test_who_recovers_may_lose_nothing_and_all_must_be_told(
    lost: dict[str, int], told_ms: float | None, held: bool
) -> None:
    assert mishaps("SIGSTOP", Mishap(1, 100, lost, told_ms, 1.0)).held is held


def test_autobahns_rows_are_those_of_its_own_page() -> None:
    page = "| end | cases |\n|---|---|\n| node | 301 | 279 | 12 | 3 | 0 | 7 |\n"
    assert [row.came for row in autobahn(page)] == [
        "279 OK, 12 non-strict, 3 informational, 7 known failures"
    ]
