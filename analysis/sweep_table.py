"""The document of `chunk7 sweep`, `sweep.json`, and the table that figures and notebooks take.

docs/sweep.md explains every field.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from chunk7.delivery.errors import RecordError
from chunk7.wire.account import Quantiles
from chunk7.wire.plan import Plan

NAME = "sweep.json"
SCHEMA = 2
LIVE, SIMULATION = "live", "simulation"


class SweepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep was asked for. Two sweeps of one plan measure the same points."""

    by: list[str]
    """`live`, `simulation`, or both."""
    factors: dict[str, list[float]]
    """Ascending values of each swept factor, its base value among them."""
    base: Plan
    """Of the run in which every factor has its base value."""
    nodes: int
    simulated: int
    """Connections of a simulated point."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine took beyond the settings in the base run, in ms: equally likely values."""

    run_dir: str
    one_way_ms: list[float]
    """Half a round trip to the store, less the store latency asked for."""
    node_work_ms: list[float]
    """How late a node's pause ended."""
    save_lag_ms: list[float]
    """How late the producer's pause ended."""


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One cell at one value of one factor, measured in one way. Names are those of `Result`."""

    factor: str
    value: float
    unit: str
    by: str
    connect: str
    write: str
    connections: int
    lossy_connections: int
    loss_rate: float | None
    loss_rate_low: float | None
    loss_rate_high: float | None
    chunks_lost: int
    chunks_lost_predicted: float
    window_ms: Quantiles
    gap_ms: Quantiles
    valid: bool
    invalid_because: list[str]
    run_dir: str | None
    """The run folder below the sweep's; null for a simulated point."""

    @property
    def place(self) -> tuple[str, float, str, str, str]:
        """What no two points of a sweep have in common."""
        return self.factor, self.value, self.by, self.connect, self.write


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: int = SCHEMA
    complete: bool
    """Every point of the plan is there."""
    valid: bool
    """Every point that is there is valid."""
    plan: SweepPlan
    calibration: Calibration | None
    points: list[SweepPoint]


def read_document(folder: Path) -> Sweep:
    """Read a sweep's folder, finished or not.

    Raises RecordError, naming the file, when it is missing, truncated, foreign or contradictory.
    """
    path = folder / NAME
    try:
        sweep = msgspec.json.decode(path.read_bytes(), type=Sweep)
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise RecordError(f"{path}: not the document of a sweep: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: damaged or cut short: {error}") from error
    if sweep.schema != SCHEMA:
        raise RecordError(f"{path}: schema {sweep.schema}, this chunk7 reads {SCHEMA}")
    for reason in _contradictions(sweep):
        raise RecordError(f"{path}: contradictory: {reason}")
    return sweep


def read_sweep(folder: Path) -> pd.DataFrame:
    """The finished points of a sweep, a row each; columns as `SweepPoint`, quantiles apart.

    `window_ms` and `gap_ms` become `window_ms_p50`, `window_ms_p95`, ... Raises as
    `read_document`.
    """
    return sweep_table(read_document(folder))


def sweep_table(sweep: Sweep) -> pd.DataFrame:
    """The same of a document; an empty table, with its columns, when nothing is finished."""
    rows = [_flat(point) for point in sweep.points]
    table = pd.DataFrame(rows, columns=list(_columns()))
    return table.astype({name: "float64" for name in _columns() if _is_number(name)})


def _flat(point: SweepPoint) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(point).items():
        if isinstance(value, Quantiles):
            row |= {f"{name}_{p}": getattr(value, p) for p in Quantiles.__struct_fields__}
        else:
            row[name] = value
    return row


def _columns() -> list[str]:
    columns = []
    for name in SweepPoint.__struct_fields__:
        if name in ("window_ms", "gap_ms"):
            columns += [f"{name}_{p}" for p in Quantiles.__struct_fields__]
        else:
            columns.append(name)
    return columns


def _is_number(name: str) -> bool:
    """Columns that may be null, or hold numbers of both kinds."""
    numbers = ("value", "loss_rate", "window_ms_", "gap_ms_", "chunks_lost_predicted")
    return name.startswith(numbers)


def _contradictions(sweep: Sweep) -> list[str]:
    """What cannot be if chunk7 wrote the document."""
    plan, found = sweep.plan, []
    cells = {(cell.connect, cell.write) for cell in plan.base.cells}
    for point in sweep.points:
        planned = point.value in plan.factors.get(point.factor, []) and point.by in plan.by
        if not planned or (point.connect, point.write) not in cells:
            found.append(f"{_name(point)} is not in the plan")
        if not 0 <= point.lossy_connections <= point.connections:
            found.append(
                f"{_name(point)}: {point.lossy_connections} of {point.connections} connections"
            )
    counts = Counter(point.place for point in sweep.points)
    twice = [point for point in sweep.points if counts[point.place] > 1]
    return [*found, *(f"{_name(point)} is there twice" for point in twice)]


def _name(point: SweepPoint) -> str:
    return f"{point.by} {point.factor} {point.value:g} {point.connect} x {point.write}"
