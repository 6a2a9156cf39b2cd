"""The report's tables: what stands in a field, and what it sorts by."""

from pathlib import Path

import numpy as np
import pytest
from report_kit import BUG, FIX, run_folder

from chunk7.analysis.report.comparisons import comparison_tables
from chunk7.analysis.report.making import sections
from chunk7.analysis.report.table import numeric, worded
from chunk7.analysis.report.tables import causes_table, cells_table, processes_table, times_table
from chunk7.analysis.study import Study, open_study
from chunk7.analysis.tables import processes
from chunk7.wire.plan import Cell
from tests.analysis.story import Story, ns


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Three losses in the first of two cells."""
    return open_study(run_folder(tmp_path / "run", lossy=3))


def test_what_has_no_value_is_a_dash_and_sorts_last() -> None:
    assert (numeric(None).text, numeric(None).sort) == ("-", None)
    assert (numeric(float("nan")).text, numeric(float("nan")).sort) == ("-", None)
    assert (numeric(1234.5, 1).text, numeric(1234.5, 1).sort) == ("1,234.5", 1234.5)
    assert worded("B", "x a").sort == "b x a"


def test_a_cell_is_told_with_its_interval_and_what_the_law_expects(study: Study) -> None:
    table = cells_table(study.summary)
    shown = [[(field.text, field.note) for field in row[:5]] for row in table.rows]
    assert shown == [
        [
            (BUG.connect, f"x {BUG.write}"),
            ("loses", ""),
            ("3", "of 3"),
            ("100%", "44% to 100%"),
            ("3", ""),
        ],
        [
            (FIX.connect, f"x {FIX.write}"),
            ("keeps all", ""),
            ("0", "of 1"),
            ("0%", "0% to 79%"),
            ("0", ""),
        ],
    ]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_causes_say_where_they_struck(study: Study) -> None:
    rows = causes_table(study.summary.results).rows
    assert [(row[0].text, row[1].text, row[3].text) for row in rows] == [
        ("handover gap", "2", f"{BUG.name}: 2"),
        ("save lag", "1", f"{BUG.name}: 1"),
    ]


def test_every_table_has_a_field_a_column(study: Study) -> None:
    tables = [times_table(study.summary.results), processes_table(study), *comparison_tables(study)]
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows), table.caption


def test_cells_are_compared_join_by_join(study: Study) -> None:
    [pairs] = comparison_tables(study)
    assert [field.text for field in pairs.rows[0][2:7]] == ["1", "1", "0", "+100.0", "no evidence"]


def test_three_cells_are_compared_with_the_first_and_with_each_other(tmp_path: Path) -> None:
    cells = (BUG, FIX, Cell("redis_streams", "stream_append"))
    against, pairs = comparison_tables(open_study(run_folder(tmp_path / "run", 2, cells)))
    assert against.caption == f"Every cell against {BUG.name}"
    assert [(row[0].text, row[1].text) for row in against.rows] == [
        (FIX.connect, "-100.0"),
        ("redis_streams", "-100.0"),
    ]
    assert len(pairs.rows) == 3


def test_processes_fared_as_they_recorded(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, at_ms=0)
    for second, lag_ms in enumerate((1.0, 7.0, 2.0)):
        story.of("node-1").add(
            "health", at_ns=ns(1_000 * second), loop_lag_ms=lag_ms, rss_bytes=3_000_000
        )
    for offset_ns, uncertainty_ns in ((500_000, 20_000), (300_000, 40_000)):
        row = {"at_ns": ns(0), "offset_ns": offset_ns, "uncertainty_ns": uncertainty_ns}
        story.of("node-1").add("clocks", **row)
    table = processes(open_study(story.end("producer"))).set_index("process")
    node, producer = table.loc["node-1"], table.loc["producer"]
    assert (node["complete"], producer["complete"]) == (True, False)
    assert node["loop_lag_ms_max"] == 7
    assert node["loop_lag_ms_p95"] == pytest.approx(6.5)
    assert node["rss_mb_max"] == 3
    assert node["clock_uncertainty_ms"] == pytest.approx(0.02)
    assert node["clock_drift_ms"] == pytest.approx(0.2)
    assert np.isnan(producer["loop_lag_ms_max"])


def test_what_happened_apart_from_the_plan_is_told_by_time(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, at_ms=0)
    for at_ms, kind in ((2_000, "store_back"), (1_500, "store_lost"), (10, "order")):
        story.of("node").add("events", at_ns=ns(at_ms), kind=kind, detail="")
    [*_, happened] = sections(open_study(story.end()))
    assert happened.title == "What happened apart from the plan"
    assert happened.rows == [("1.500 s", "node: store_lost"), ("2.000 s", "node: store_back")]
