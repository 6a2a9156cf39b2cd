"""Finished tables: a judged run in, what a figure or a page shows out. No drawing here.

Every table is a pandas frame whose docstring names its columns, units last. `name` is
'connect x write'; rows of cells come in the order in which the cells ran.
"""

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from chunk7.analysis.faults import faults
from chunk7.analysis.loss_rates import loss_rate
from chunk7.analysis.prediction import KINDS
from chunk7.analysis.statistics import fit
from chunk7.analysis.statistics.quantiles import quantiles
from chunk7.analysis.study import Study
from chunk7.wire.account import Quantiles

BINS = 30
"""Of a run's length, in `over_time`."""

STEPS = 200
"""Of a distribution, in `windows`: however many connections, a figure has as many points."""


def cells(study: Study) -> pd.DataFrame:
    """A row a cell: `name`, and every field of `Result`.

    Quantiles are spread into columns (`window_ms_p50`), and causes into `causes_NAME`.
    """
    rows = []
    for result in study.summary.results:
        row: dict[str, Any] = {"name": result.name}
        for field, value in msgspec.structs.asdict(result).items():
            if isinstance(value, Quantiles):
                row |= {f"{field}_{part}": v for part, v in msgspec.structs.asdict(value).items()}
            elif isinstance(value, dict):
                row |= {f"{field}_{key}": v for key, v in value.items()}
            else:
                row[field] = value
        rows.append(row)
    return pd.DataFrame(rows)


def prices(study: Study) -> pd.DataFrame:
    """What each cell costs, a row a cell.

    Columns: name, connect, write; duplicates, out_of_order and fetched, chunks per connection;
    join_ms_p50, join_ms_p95, chunk_latency_ms_p50, chunk_latency_ms_p95; memory_bytes_per_chunk,
    commands_per_connection, commands_per_chunk, None where not measured.
    """
    table = cells(study)
    connections = table["connections"].replace(0, np.nan)
    kept = [
        "join_ms_p50", "join_ms_p95", "chunk_latency_ms_p50", "chunk_latency_ms_p95",
        "memory_bytes_per_chunk", "commands_per_connection", "commands_per_chunk",
    ]  # fmt: skip
    counts = ("duplicate", "out_of_order", "fetched")
    shares = {
        {"duplicate": "duplicates"}.get(name, name): table[f"chunks_{name}"] / connections
        for name in counts
    }
    return table[["name", "connect", "write"]].assign(**shares).join(table[kept])


def predicted(study: Study) -> pd.DataFrame:
    """Measured beside predicted, a row a cell and kind.

    Columns: name, connect, write, kind (one of KINDS), measured, predicted, predicted_low,
    predicted_high, in chunks of the whole cell.
    """
    table = cells(study)
    parts = [
        pd.DataFrame(
            {
                "name": table["name"],
                "connect": table["connect"],
                "write": table["write"],
                "kind": kind,
                "measured": table[f"chunks_{kind}"],
                "predicted": table[f"chunks_{kind}_predicted"],
                "predicted_low": table[f"chunks_{kind}_predicted_low"],
                "predicted_high": table[f"chunks_{kind}_predicted_high"],
            }
        )
        for kind in KINDS
    ]
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)


def calibration(study: Study, groups: int = 10) -> pd.DataFrame:
    """The law held against connections that it treats alike, whatever their cell.

    Columns: kind (one of KINDS); connections; predicted, measured, low, high, in chunks per
    connection: the bins of `statistics.fit.calibration`, `low` and `high` the 95% interval of the
    mean that could have given `measured`. Connections whose instants are unknown are left out.
    """
    parts = []
    for kind in KINDS:
        known = study.connections.dropna(subset=f"{kind}_expected")
        table = fit.calibration(
            known[kind], known[f"{kind}_expected"], groups, known[f"{kind}_variance"]
        )
        chunks = ["predicted", "measured", "low", "high"]
        table[chunks] = table[chunks].div(table["connections"], axis=0)
        parts.append(table.assign(kind=kind))
    columns = ["kind", "connections", "predicted", "measured", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns]


def windows(study: Study, steps: int = STEPS) -> pd.DataFrame:
    """How W and G are distributed: a row a cell and share of its connections, whoever joined.

    Columns: name, connect, write; share, from 0 to 1 in so many steps; window_ms and gap_ms, which
    that share of the connections is at or below (quantiles of raw values, 0 and 1 the extremes),
    NaN in a cell where none is known.
    """
    shares = np.linspace(0, 1, steps + 1)
    parts = []
    for k, cell in enumerate(study.run.manifest.plan.cells):
        joins = study.connections[study.connections["cell"] == k]
        named = {"name": cell.name, "connect": cell.connect, "write": cell.write, "share": shares}
        spread = {name: _spread(joins[name], shares) for name in ("window_ms", "gap_ms")}
        parts.append(pd.DataFrame(named | spread))
    return pd.concat(parts, ignore_index=True)


def over_time(study: Study, bins: int = BINS) -> pd.DataFrame:
    """Loss over the time of the run: a row a cell and time bin in which somebody joined.

    The time from a cell's first join to its last is cut into bins of one length, so that none
    holds joins of two cells; there are about `bins` in the run, and one in a cell at least.
    Columns: name, connect, write, at_s (middle of the bin, since the run's origin), width_s,
    connections, lossy, lost (chunks), loss_rate, loss_rate_low, loss_rate_high (95%),
    lost_expected.
    """
    joins = study.connections
    by_cell = joins.groupby("cell")["opened_s"]
    first_s = by_cell.transform("min")
    per_cell = max(1, round(bins / max(1, joins["cell"].nunique())))
    width_s = ((by_cell.transform("max") - first_s) / per_cell).clip(lower=1e-3)
    at = np.minimum(np.floor((joins["opened_s"] - first_s) / width_s), per_cell - 1)
    grouped = joins.assign(
        at_s=first_s + (at + 0.5) * width_s,
        width_s=width_s,
        lossy=joins["lost"] > 0,
        connections=1,
    ).groupby(["cell", "name", "connect", "write", "at_s", "width_s"], sort=True)
    table = grouped[["connections", "lossy", "lost", "lost_expected"]].sum().reset_index()
    rates = [loss_rate(rows["lost"], rows["session_id"]) for _, rows in grouped]
    return table.drop(columns="cell").assign(
        loss_rate=[rate.share for rate in rates],
        loss_rate_low=[rate.low for rate in rates],
        loss_rate_high=[rate.high for rate in rates],
    )


def fault_spans(study: Study) -> pd.DataFrame:
    """When faults lasted, a row a strike, by time.

    Columns: name; target; offset_ms since the start of its cell; began_s, ended_s since the run's
    origin, the latter the end of all records where the fault has none.
    """
    struck = faults(study.run)
    ended_ns = struck["ended_ns"].fillna(_last_ns(study))
    table = struck[["name", "target", "offset_ms"]]
    return table.assign(began_s=struck["began_ns"] / 1e9, ended_s=ended_ns / 1e9)


def missing_over_time(study: Study, bins: int = 6 * BINS) -> pd.DataFrame:
    """What became of the chunks by when they were published: a row a time bin of one length.

    Columns: at_s (middle of the bin, since the run's origin), width_s; lost, undetermined: chunks
    that never came, over all connections.
    """
    missing = study.judgement.missing
    sent_s = study.writes.publish.earliest_ns / 1e9
    first_s, last_s = 0.0, max(1e-3, float(np.nanmax(sent_s, initial=0.0)))
    edges = np.linspace(first_s, last_s, bins + 1)
    at_s = sent_s[missing["chunk"].to_numpy(dtype=np.int64)]
    lost = missing["lost"].to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "at_s": (edges[1:] + edges[:-1]) / 2,
            "width_s": np.diff(edges),
            "lost": np.histogram(at_s[lost], edges)[0],
            "undetermined": np.histogram(at_s[~lost], edges)[0],
        }
    )


def _last_ns(study: Study) -> float:
    """The last instant of a chunk or a connection."""
    run = study.run
    ends = (study.writes.save.latest_ns, run.instants(run.connections, "closed_ns"))
    return max(float(np.nanmax(values, initial=0.0)) for values in ends)


def _spread(values: pd.Series, shares: Any) -> Any:
    """The quantiles at shares from 0 to 1, NaN without values."""
    between = quantiles(values, shares[1:-1])
    if between is None:
        return np.full(len(shares), np.nan)
    return [values.min(), *between, values.max()]


def processes(study: Study) -> pd.DataFrame:
    """How each process fared, a row a process.

    Columns: process, part, complete (bool); loop_lag_ms_max, loop_lag_ms_p95, rss_mb_max (10^6
    bytes), over its seconds; clock_uncertainty_ms, the least of its measurements against the
    store's TIME, and clock_drift_ms, how far their offsets lie apart. NaN where nothing was
    measured.
    """
    run = study.run
    health, clocks = run.health.groupby("process"), run.clocks.groupby("process")
    lag_ms = health["loop_lag_ms"]
    offsets_ns = clocks["offset_ns"]
    measured = {
        "loop_lag_ms_max": lag_ms.max(),
        "loop_lag_ms_p95": lag_ms.quantile(0.95),
        "rss_mb_max": health["rss_bytes"].max() / 1e6,
        "clock_uncertainty_ms": clocks["uncertainty_ns"].min() / 1e6,
        "clock_drift_ms": (offsets_ns.max() - offsets_ns.min()) / 1e6,
    }
    table = run.processes[["process", "part", "complete"]].copy()
    for name, values in measured.items():
        table[name] = values.reindex(table["process"]).to_numpy(dtype=float, na_value=np.nan)
    return table.astype({"complete": bool})
