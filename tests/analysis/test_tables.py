"""Finished tables of the race in race.py, compared whole where they are small."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from race import judged
from story import CELL, Story

from chunk7 import tables
from chunk7.analysis.prediction import KINDS
from chunk7.analysis.statistics.proportions import wilson
from chunk7.analysis.study import Study, open_study

BUG = ["history_then_subscribe", "publish_then_save"]
FIX = ["subscribe_then_history", "atomic_lua"]
NOBODY = ["redis_streams", "stream_append"]
NONE = float("nan")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return judged(tmp_path_factory.mktemp("race") / "run")


def assert_table(table: pd.DataFrame, columns: list[str], rows: list[list[Any]]) -> None:
    """These columns, these rows; numbers to within rounding, None as good as NaN."""
    assert list(table.columns) == columns
    found = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert found == [
        [pytest.approx(v) if isinstance(v, float) and v == v else v if v == v else None for v in r]
        for r in rows
    ]


def test_cells_spread_quantiles_and_causes_into_columns(study: Study) -> None:
    table = tables.cells(study)
    shown = ["name", "connections", "loss_rate", "chunks_lost", "causes_handover_gap",
             "window_ms_p50", "gap_ms_p99", "join_ms_p95"]  # fmt: skip
    assert_table(
        table[shown],
        shown,
        [
            [" x ".join(BUG), 1, 1.0, 1, 1.0, 10.0, 12.0, 2.0],
            [" x ".join(FIX), 1, 0.0, 0, NONE, -10.0, -10.0, 2.0],
            [" x ".join(NOBODY), 0, NONE, 0, NONE, NONE, NONE, NONE],
        ],
    )


def test_prices_are_per_connection_and_nothing_where_nobody_came(study: Study) -> None:
    columns = ["name", "connect", "write", "duplicates", "out_of_order", "fetched", "join_ms_p50",
               "join_ms_p95", "chunk_latency_ms_p50", "chunk_latency_ms_p95",
               "memory_bytes_per_chunk", "commands_per_connection",
               "commands_per_chunk"]  # fmt: skip
    assert_table(
        tables.prices(study),
        columns,
        [
            [" x ".join(BUG), *BUG, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, None, None, None],
            [" x ".join(FIX), *FIX, 1.0, 3.0, 0.0, 2.0, 2.0, 2.0, 2.0, None, None, None],
            [" x ".join(NOBODY), *NOBODY, *[NONE] * 7, None, None, None],
        ],
    )


def test_measured_stands_beside_predicted_cell_by_cell_and_kind_by_kind(study: Study) -> None:
    table = tables.predicted(study)
    assert_table(
        table[["connect", "write", "kind", "measured", "predicted"]],
        ["connect", "write", "kind", "measured", "predicted"],
        [
            [*BUG, "lost", 1, 0.79],
            [*BUG, "fetched", 0, 0.0],
            [*BUG, "duplicate", 0, 0.0],
            [*FIX, "lost", 0, 0.0],
            [*FIX, "fetched", 0, 0.0],
            [*FIX, "duplicate", 1, 0.65],
            *[[*NOBODY, kind, 0, 0.0] for kind in KINDS],
        ],
    )
    assert (table["predicted_low"] <= table["predicted"]).all()
    assert (table["predicted"] <= table["predicted_high"]).all()


def test_windows_give_every_cell_the_same_shares(study: Study) -> None:
    columns = ["name", "connect", "write", "share", "window_ms", "gap_ms"]
    assert_table(
        tables.windows(study, steps=2),
        columns,
        [
            [" x ".join(cell), *cell, share, window, gap]
            for cell, window, gap in ((BUG, 10.0, 12.0), (FIX, -10.0, -10.0), (NOBODY, NONE, NONE))
            for share in (0.0, 0.5, 1.0)
        ],
    )


def test_over_time_has_a_row_a_cell_that_somebody_joined(study: Study) -> None:
    columns = ["name", "connect", "write", "at_s", "width_s", "connections", "lossy", "lost",
               "lost_expected", "loss_rate", "loss_rate_low", "loss_rate_high"]  # fmt: skip
    some, none = wilson(1, 1), wilson(0, 1)
    assert_table(
        tables.over_time(study),
        columns,
        [
            [" x ".join(BUG), *BUG, 0.0205, 0.001, 1, 1, 1, 0.79, 1.0, some.low, some.high],
            [" x ".join(FIX), *FIX, 0.0205, 0.001, 1, 0, 0, 0.0, 0.0, none.low, none.high],
        ],
    )


def test_the_law_is_calibrated_on_all_connections_whatever_their_cell(study: Study) -> None:
    table = tables.calibration(study)
    columns = ["kind", "connections", "predicted", "measured"]
    assert_table(
        table[columns],
        columns,
        [
            ["lost", 1, 0.0, 0.0],
            ["lost", 1, 0.79, 1.0],
            ["fetched", 2, 0.0, 0.0],
            ["duplicate", 1, 0.0, 0.0],
            ["duplicate", 1, 0.65, 1.0],
        ],
    )
    assert (table["low"] <= table["measured"]).all()
    assert (table["measured"] <= table["high"]).all()


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Joins at 0, 10, ..., 90 ms in the first cell, at 1000 and 2000 ms in the second."""
    second = type(CELL)("buffered_merge", "atomic_lua")
    story = Story(tmp_path_factory.mktemp("joined") / "run", cells=[CELL, second])
    story.chunk(1, -10)
    for k in range(10):
        story.connection(k, [(10 * k + 5, 1)], open_ms=10 * k)
        story.join(k, (10 * k + 1, 10 * k + 1), (11 * k + 1, 11 * k + 1))
    for k in (1, 2):
        story.connection(10 + k, [], cell=1, session_id="t", open_ms=1_000 * k)
    return open_study(story.end())


def test_bins_of_time_hold_joins_of_one_cell_and_are_of_one_length_within_it(joined: Study) -> None:
    table = tables.over_time(joined, bins=8)
    assert table["write"].tolist() == ["publish_then_save"] * 4 + ["atomic_lua"] * 2
    # 90 ms in four bins of 22.5: joins at 0, 10, 20; 30, 40; 50, 60; 70 and on. Origin: -10 ms.
    assert table["connections"].tolist() == [3, 2, 2, 3, 1, 1]
    assert table["width_s"].tolist() == pytest.approx([0.0225] * 4 + [0.25] * 2)
    expected_s = [0.02125, 0.04375, 0.06625, 0.08875, 1.135, 1.885]
    assert table["at_s"].tolist() == pytest.approx(expected_s)


def test_a_distribution_goes_from_the_least_to_the_greatest(joined: Study) -> None:
    table = tables.windows(joined, steps=3)
    bug = table[table["write"] == "publish_then_save"]
    # W is 0, 1, ..., 9 ms: the quantiles in between are 3 and 6.
    assert bug["window_ms"].tolist() == pytest.approx([0, 3, 6, 9])
    assert np.isnan(table.loc[table["write"] == "atomic_lua", "window_ms"]).all()


def test_a_run_that_nobody_joined_has_its_tables_all_the_same(tmp_path: Path) -> None:
    story = Story(tmp_path / "run")
    story.chunk(1, 10)
    story.healthy("producer", "node", "locust")
    study = open_study(story.end())
    assert tables.over_time(study).empty
    assert tables.cells(study)["connections"].tolist() == [0]
    assert tables.windows(study)["gap_ms"].isna().all()
    assert tables.calibration(study)["connections"].tolist() == []
    assert tables.prices(study)["duplicates"].isna().all()


def test_processes_tell_how_each_fared(study: Study) -> None:
    columns = ["process", "part", "complete", "loop_lag_ms_max", "loop_lag_ms_p95", "rss_mb_max",
               "clock_uncertainty_ms", "clock_drift_ms"]  # fmt: skip
    assert_table(
        tables.processes(study),
        columns,
        [
            [process, part, True, 1.0, 1.0, NONE, NONE, NONE]
            for process, part in (
                ("locust", "loadtest"),
                ("node", "node"),
                ("producer", "producer"),
            )
        ],
    )
