"""From a run folder to the document of `chunk7 run --json`; docs/results.md explains each field."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from chunk7.analysis.faults import faults
from chunk7.analysis.loss_rates import loss_rate_fields
from chunk7.analysis.prediction import Prediction, by_cell
from chunk7.analysis.recovery import FaultResult, fault_results
from chunk7.analysis.returns import returns_by_cell
from chunk7.analysis.run_folder import Run
from chunk7.analysis.sightings import told_apart_by
from chunk7.analysis.statistics.quantiles import quantiles
from chunk7.analysis.store_cost import commands_per, memory_bytes_per_chunk
from chunk7.analysis.validity import excused, reasons
from chunk7.analysis.verdicts import Ints, Judgement
from chunk7.analysis.windows import JoinTimes, WriteTimes, gap_ns
from chunk7.delivery.errors import RecordError
from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import CellAccount, Quantiles
from chunk7.wire.whole_files import write_whole

NAME = "summary.json"
COUNTS = (
    "expected", "delivered", "lost", "undetermined", "duplicate", "out_of_order", "unexpected",
    "fetched", "rewinds",
)  # fmt: skip
"""Of a connection's account, and summed up, of a result: `chunks_expected` and so on."""


class Result(CellAccount, frozen=True, kw_only=True):
    """What one connect x write cell came to, and what it cost the store; null when not measured."""

    memory_bytes_per_chunk: float | None
    commands_per_connection: float | None = None
    commands_per_chunk: float | None = None
    returns: dict[str, int | float] = msgspec.field(default_factory=dict)
    """Of users who lost their connection (`analysis.returns`); empty where none did."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: int = 1
    valid: bool
    invalid_because: list[str]
    seed: int
    run_dir: str
    results: list[Result]
    told_apart_by: dict[str, int] = {}
    """Of a target: how many connections' chunks were told apart by seq, by index, by text."""
    excused: list[str] = []
    """What would speak against the run, had no fault struck it on purpose."""
    faults: list[FaultResult] = []
    """What each strike of a fault did, by time."""


def write_summary(run_dir: Path, summary: Summary) -> None:
    """Write `summary.json`, whole or not at all; raises WriteError."""
    content = msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
    write_whole(run_dir / NAME, content)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What results are worked out from, beside the verdicts.

    `expected` is the run's table of `analysis.prediction.per_join`. `who`, `join` and `causes`,
    shape (lost chunks,), are the row of `Run.connections`, the row of `Run.joins` (-1: none) and
    the cause of each loss, in the order of `Judgement.missing`.
    """

    joins: JoinTimes
    writes: WriteTimes
    expected: pd.DataFrame
    who: Ints
    join: Ints
    causes: Any


def summary_of(
    run: Run,
    judgement: Judgement,
    evidence: Evidence,
    also_invalid_because: Sequence[str] = (),
    running: bool = False,
) -> Summary:
    """The document of a judged run; each reason against it is given once.

    `running` as for `chunk7.analysis.validity.reasons`.
    """
    against = [*also_invalid_because, *reasons(run, judgement, running=running)]
    against = list(dict.fromkeys(against))
    return Summary(
        valid=not against,
        invalid_because=against,
        seed=run.manifest.seed,
        run_dir=str(run.folder),
        results=_results(run, judgement, evidence),
        told_apart_by={} if run.manifest.target is None else told_apart_by(run.folder),
        excused=excused(run, judgement, running=running),
        faults=fault_results(run, judgement, evidence.causes, faults(run)),
    )


def read_summary(run_dir: Path) -> Summary:
    """Read `summary.json` back; raises RecordError, naming it, when it is none of ours."""
    path = run_dir / NAME
    try:
        summary = msgspec.json.decode(path.read_bytes(), type=Summary)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not a summary: {error}") from error
    if summary.schema != 1:
        raise RecordError(f"{path}: summary schema {summary.schema}, not 1")
    return summary


def _results(run: Run, judgement: Judgement, evidence: Evidence) -> list[Result]:
    predicted = by_cell(evidence.expected)
    cells = run.connections["cell"].to_numpy(dtype=np.int64)
    gaps_ns = gap_ns(run, evidence.joins, evidence.writes)
    times = _times(run, evidence.joins, gaps_ns)
    memory = memory_bytes_per_chunk(run)
    counts = [_counts(run, judgement, cells == k) for k in range(len(run.manifest.plan.cells))]
    returns = returns_by_cell(run, judgement)
    commands = commands_per(run, [of_cell["connections"] for of_cell in counts])
    return [
        Result(
            connect=cell.connect,
            write=cell.write,
            **counts[k],
            **_predictions(predicted.get(k, Prediction()), unknown=run.manifest.target is not None),
            causes=_tally(evidence.causes[cells[evidence.who] == k]),
            explored=run.manifest.explored.get(cell.name),
            window_ms=_quantiles(times["window_ms"][k]),
            gap_ms=_quantiles(times["gap_ms"][k]),
            join_ms=_quantiles(times["join_ms"][k]),
            chunk_latency_ms=_quantiles(_latency_ms(judgement, cells, k)),
            memory_bytes_per_chunk=memory.get(k),
            **commands[k],
            returns=returns.get(k, {}),
        )
        for k, cell in enumerate(run.manifest.plan.cells)
    ]


def _counts(run: Run, judgement: Judgement, of_cell: Any) -> dict[str, Any]:
    ended, connected = run.connections["closed_ns"], run.connections["connected_ns"]
    judged = (connected.notna() | ended.isna()).to_numpy(dtype=bool) & of_cell
    accounts = judgement.accounts[judged]
    return {
        **loss_rate_fields(accounts["lost"], run.connections["session_id"][judged]),
        **sums(accounts),
    }


def sums(accounts: pd.DataFrame) -> dict[str, int]:
    """The COUNTS of these connections together, as fields of a Result."""
    return {
        name if name == "rewinds" else f"chunks_{name}": int(accounts[name].sum())
        for name in COUNTS
    }


def _predictions(predicted: Prediction, unknown: bool) -> dict[str, Any]:
    """Fields of a Result; None where nobody recorded the joins that the law speaks of."""
    fields: dict[str, Any] = {}
    for what in ("lost", "duplicate", "fetched"):
        expectation = getattr(predicted, what)
        for end, value in (
            ("", expectation.mean), ("_low", expectation.low), ("_high", expectation.high)
        ):  # fmt: skip
            fields[f"chunks_{what}_predicted{end}"] = None if unknown else value
    return fields


def _tally(causes: Any) -> dict[str, int]:
    """Causes that occurred, in the order of `Cause`."""
    counts = {cause.value: int((causes == cause.value).sum()) for cause in Cause}
    return {cause: count for cause, count in counts.items() if count}


def _times(run: Run, joins: JoinTimes, gaps_ns: Any) -> dict[str, dict[int, Any]]:
    """Raw values in ms, by field of Result and cell."""
    cell_of = run.connections["cell"].to_numpy(dtype=np.int64)
    by_id = pd.Series(cell_of, run.connections["connection_id"])
    join_cell = by_id.reindex(run.joins["connection_id"], fill_value=-1).to_numpy()
    opened_ms = (
        run.instants(run.connections, "history_ns") - run.instants(run.connections, "opening_ns")
    ) / 1e6
    cells = range(len(run.manifest.plan.cells))
    return {
        "window_ms": {k: joins.window_ns[join_cell == k] / 1e6 for k in cells},
        "gap_ms": {k: gaps_ns[join_cell == k] / 1e6 for k in cells},
        "join_ms": {k: opened_ms[cell_of == k] for k in cells},
    }


def _latency_ms(judgement: Judgement, cells: Any, cell: int) -> Any:
    """Every kept latency of a cell; of one cell at a time, as these are most of a run's memory."""
    parts = [ms for row, ms in judgement.latency_ms.items() if cells[row] == cell]
    return np.concatenate([np.zeros(0), *parts])


def _quantiles(values: Any) -> Quantiles:
    return Quantiles(*(quantiles(values) or ()))
