"""From a run folder to the document of `chunk7 run --json`; docs/results.md explains each field."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from analysis.causes import explain, loss_table
from analysis.gather import gather
from analysis.prediction import Prediction, by_cell, per_join
from analysis.run_folder import Run, load_run
from analysis.statistics.proportions import wilson
from analysis.statistics.quantiles import quantiles
from analysis.store_cost import commands_per, memory_bytes_per_chunk
from analysis.validity import reasons
from analysis.verdicts import Judgement, judge
from analysis.windows import JoinTimes, gap_ns, join_times, write_times
from delivery.errors import RecordError
from delivery.verdicts import Cause
from wire.live import Quantiles

NAME = "summary.json"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one connect x write cell came to."""

    connect: str
    write: str
    connections: int
    lossy_connections: int
    loss_rate: float | None
    loss_rate_low: float | None
    loss_rate_high: float | None
    chunks_expected: int
    chunks_delivered: int
    chunks_lost: int
    chunks_undetermined: int
    chunks_duplicate: int
    chunks_out_of_order: int
    chunks_unexpected: int
    chunks_fetched: int
    chunks_lost_predicted: float
    chunks_lost_predicted_low: float
    chunks_lost_predicted_high: float
    chunks_duplicate_predicted: float
    chunks_duplicate_predicted_low: float
    chunks_duplicate_predicted_high: float
    chunks_fetched_predicted: float
    chunks_fetched_predicted_low: float
    chunks_fetched_predicted_high: float
    causes: dict[str, int]
    window_ms: Quantiles
    gap_ms: Quantiles
    join_ms: Quantiles
    chunk_latency_ms: Quantiles
    memory_bytes_per_chunk: float | None
    commands_per_connection: float | None = None
    commands_per_chunk: float | None = None

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.connect} x {self.write}"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: int = 1
    valid: bool
    invalid_because: list[str]
    seed: int
    run_dir: str
    results: list[Result]


def analyse(run_dir: Path, also_invalid_because: Sequence[str] = ()) -> Summary:
    """Gather a run folder's raw records, judge them, write `summary.json`, and return it.

    Without `raw/` the tables gathered before are judged again. `also_invalid_because`: what the
    caller knows against the run and the records cannot tell. Raises RecordError for a folder that
    is none, foreign or damaged.
    """
    if (run_dir / "raw").is_dir():
        gather(run_dir)
    summary = summarise(load_run(run_dir), also_invalid_because)
    write_summary(run_dir, summary)
    return summary


def write_summary(run_dir: Path, summary: Summary) -> None:
    """Write `summary.json`, whole or not at all."""
    partial = run_dir / f"{NAME}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    partial.rename(run_dir / NAME)


def summarise(run: Run, also_invalid_because: Sequence[str] = ()) -> Summary:
    """Judge a loaded run."""
    return summarise_judged(run, judge(run), also_invalid_because)


def summarise_judged(
    run: Run,
    judgement: Judgement,
    also_invalid_because: Sequence[str] = (),
    running: bool = False,
    expected: pd.DataFrame | None = None,
) -> Summary:
    """The same of one that has been judged; each reason against it is given once.

    `running` as for `analysis.validity.reasons`; `expected` is the run's table of
    `analysis.prediction.per_join`, if the caller has it.
    """
    against = [*also_invalid_because, *reasons(run, judgement, running=running)]
    against = list(dict.fromkeys(against))
    return Summary(
        valid=not against,
        invalid_because=against,
        seed=run.manifest.seed,
        run_dir=str(run.folder),
        results=_results(run, judgement, expected),
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


def _results(run: Run, judgement: Judgement, expected: pd.DataFrame | None) -> list[Result]:
    joins, writes = join_times(run), write_times(run)
    losses, who = loss_table(run, judgement, joins, writes)
    causes = explain(losses, run.manifest.settle_ms * 1e6)
    predicted = by_cell(per_join(run, joins, writes) if expected is None else expected)
    cells = run.connections["cell"].to_numpy(dtype=np.int64)
    times = _times(run, judgement, joins, gap_ns(run, joins, writes))
    memory = memory_bytes_per_chunk(run)
    counts = [_counts(run, judgement, cells == k) for k in range(len(run.manifest.order.cells))]
    commands = commands_per(run, [of_cell["connections"] for of_cell in counts])
    return [
        Result(
            connect=cell.connect,
            write=cell.write,
            **counts[k],
            **_predictions(predicted.get(k, Prediction())),
            causes=_tally(causes[cells[who] == k]),
            window_ms=_quantiles(times["window_ms"][k]),
            gap_ms=_quantiles(times["gap_ms"][k]),
            join_ms=_quantiles(times["join_ms"][k]),
            chunk_latency_ms=_quantiles(times["chunk_latency_ms"][k]),
            memory_bytes_per_chunk=memory.get(k),
            **commands[k],
        )
        for k, cell in enumerate(run.manifest.order.cells)
    ]


def _counts(run: Run, judgement: Judgement, of_cell: Any) -> dict[str, Any]:
    ended, connected = run.connections["closed_ns"], run.connections["connected_ns"]
    judged = (connected.notna() | ended.isna()).to_numpy(dtype=bool) & of_cell
    accounts = judgement.accounts[judged]
    lossy, connections = int((accounts["lost"] > 0).sum()), len(accounts)
    interval = wilson(lossy, connections) if connections else None
    names = (
        "expected", "delivered", "lost", "undetermined", "duplicate", "out_of_order",
        "unexpected", "fetched",
    )  # fmt: skip
    return {
        "connections": connections,
        "lossy_connections": lossy,
        "loss_rate": lossy / connections if connections else None,
        "loss_rate_low": interval and interval.low,
        "loss_rate_high": interval and interval.high,
        **{f"chunks_{name}": int(accounts[name].sum()) for name in names},
    }


def _predictions(predicted: Prediction) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for what in ("lost", "duplicate", "fetched"):
        expectation = getattr(predicted, what)
        fields[f"chunks_{what}_predicted"] = expectation.mean
        fields[f"chunks_{what}_predicted_low"] = expectation.low
        fields[f"chunks_{what}_predicted_high"] = expectation.high
    return fields


def _tally(causes: Any) -> dict[str, int]:
    """Causes that occurred, in the order of `Cause`."""
    counts = {cause.value: int((causes == cause.value).sum()) for cause in Cause}
    return {cause: count for cause, count in counts.items() if count}


def _times(
    run: Run, judgement: Judgement, joins: JoinTimes, gaps_ns: Any
) -> dict[str, dict[int, Any]]:
    """Raw values in ms, by field of Result and cell."""
    cell_of = run.connections["cell"].to_numpy(dtype=np.int64)
    by_id = pd.Series(cell_of, run.connections["connection_id"])
    join_cell = by_id.reindex(run.joins["connection_id"], fill_value=-1).to_numpy()
    opened_ms = (
        run.instants(run.connections, "history_ns") - run.instants(run.connections, "opening_ns")
    ) / 1e6
    cells = range(len(run.manifest.order.cells))
    latencies: dict[int, list[Any]] = {k: [np.zeros(0)] for k in cells}
    for first_row, values in judgement.latency_ms.items():
        latencies[int(cell_of[first_row])].append(values)
    return {
        "window_ms": {k: joins.window_ns[join_cell == k] / 1e6 for k in cells},
        "gap_ms": {k: gaps_ns[join_cell == k] / 1e6 for k in cells},
        "join_ms": {k: opened_ms[cell_of == k] for k in cells},
        "chunk_latency_ms": {k: np.concatenate(parts) for k, parts in latencies.items()},
    }


def _quantiles(values: Any) -> Quantiles:
    return Quantiles(*(quantiles(values) or ()))
