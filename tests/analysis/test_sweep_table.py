"""The document of a sweep as a table, and documents that cannot be trusted."""

from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from msgspec.structs import replace

from chunk7.analysis.sweep_table import (
    NAME,
    Sweep,
    SweepPlan,
    SweepPoint,
    read_document,
    read_sweep,
)
from chunk7.delivery.errors import RecordError
from chunk7.wire.account import Quantiles
from chunk7.wire.plan import Cell, Plan

PLAN = SweepPlan(
    by=["live"],
    factors={"node-work": [0.0, 10.0]},
    base=Plan(run="sweep", cells=[Cell("buffered_merge", "atomic_lua")], node_work_ms=10.0),
    nodes=3,
    simulated=20_000,
)
POINT = SweepPoint(
    factor="node-work",
    value=10.0,
    unit="ms",
    by="live",
    connect="buffered_merge",
    write="atomic_lua",
    connections=120,
    lossy_connections=0,
    loss_rate=0.0,
    loss_rate_low=0.0,
    loss_rate_high=0.031,
    chunks_lost=0,
    chunks_lost_predicted=0.0,
    window_ms=Quantiles(p50=-11.0, p95=-10.0, p99=-10.0),
    gap_ms=Quantiles(),
    valid=False,
    invalid_because=["node-1 was saturated"],
    run_dir="runs/base",
)
SWEEP = Sweep(complete=False, valid=False, plan=PLAN, calibration=None, points=[POINT])


def written(folder: Path, sweep: Sweep) -> Path:
    """A sweep's folder with this document."""
    (folder / NAME).write_bytes(msgspec.json.encode(sweep))
    return folder


def test_a_point_is_a_row_with_its_quantiles_apart(tmp_path: Path) -> None:
    [row] = read_sweep(written(tmp_path, SWEEP)).to_dict("records")
    assert {name: None if value != value else value for name, value in row.items()} == {
        "factor": "node-work",
        "value": 10.0,
        "unit": "ms",
        "by": "live",
        "connect": "buffered_merge",
        "write": "atomic_lua",
        "connections": 120,
        "lossy_connections": 0,
        "loss_rate": 0.0,
        "loss_rate_low": 0.0,
        "loss_rate_high": 0.031,
        "chunks_lost": 0,
        "chunks_lost_predicted": 0.0,
        "window_ms_p50": -11.0,
        "window_ms_p95": -10.0,
        "window_ms_p99": -10.0,
        "gap_ms_p50": None,
        "gap_ms_p95": None,
        "gap_ms_p99": None,
        "valid": False,
        "invalid_because": ["node-1 was saturated"],
        "run_dir": "runs/base",
    }


def test_a_sweep_without_a_finished_point_is_an_empty_table_with_all_columns(
    tmp_path: Path,
) -> None:
    some = read_sweep(written(tmp_path, SWEEP))
    none = read_sweep(written(tmp_path, replace(SWEEP, points=[])))
    assert len(none) == 0
    assert list(none.columns) == list(some.columns)
    assert pd.api.types.is_float_dtype(none["loss_rate"])


def test_the_document_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_document(written(tmp_path, SWEEP)) == SWEEP


FOREIGN = {"schema": 1, "valid": True, "results": []}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (msgspec.json.encode(SWEEP)[:-40], "damaged or cut short"),
        (b"", "damaged or cut short"),
        (b"\xff\xfe", "damaged or cut short"),
        (msgspec.json.encode(FOREIGN), "not the document of a sweep"),
        (msgspec.json.encode(replace(SWEEP, schema=9)), "schema 9, this chunk7 reads 2"),
    ],
)
def test_a_document_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_sweep(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / NAME}: {reason}")


def test_a_folder_without_a_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"sweep\.json: No such file"):
        read_sweep(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"value": 3.0}, "is not in the plan"),
        ({"by": "simulation"}, "is not in the plan"),
        ({"write": "stream_append"}, "is not in the plan"),
        ({"lossy_connections": 121}, "121 of 120 connections"),
    ],
)
def test_a_point_that_cannot_be_is_a_contradiction(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    sweep = replace(SWEEP, points=[replace(POINT, **change)])
    with pytest.raises(RecordError, match=f"contradictory: .*{reason}"):
        read_sweep(written(tmp_path, sweep))


def test_a_point_that_is_there_twice_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is there twice"):
        read_sweep(written(tmp_path, replace(SWEEP, points=[POINT, POINT])))
