"""Two runs, cell by cell: did it get better or worse, and may the difference be believed?

docs/comparing.md says what is compared, how, and what the verdicts mean.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chunk7.analysis.comparison import ALPHA, NO_EVIDENCE, NOT_VALID
from chunk7.analysis.parameters import changed, differing, same_plan
from chunk7.analysis.statistics.bootstrap import ClusteredRate, clustered_rate
from chunk7.analysis.statistics.differences import mean_paired, mean_unpaired, square_and_add
from chunk7.analysis.statistics.paired import compare_paired, compare_unpaired, holm
from chunk7.analysis.statistics.quantiles import (
    clustered_quantile_interval,
    quantile_interval,
    quantiles,
)
from chunk7.analysis.study import Study
from chunk7.wire.intervals import Interval

DELIVERY = ("loss_rate", "chunk_loss_rate", "duplicates")
"""Metrics of what arrived. They decide the overall verdict."""

MARGINS = {
    "loss_rate": 0.0, "chunk_loss_rate": 0.0, "duplicates": 0.0,
    "join_ms.p50": 5.0, "join_ms.p95": 20.0, "window_ms.p50": 1.0, "window_ms.p95": 5.0,
    "chunk_latency_ms.p50": 5.0, "chunk_latency_ms.p95": 20.0,
}  # fmt: skip
"""Every metric, and how great a difference must be to matter, in its unit. Those of the times are
what the same code on the same machine was seen to differ by from run to run."""

PAIRED_SHARE = 0.95
"""Of either run's joins that the other must have, for pairs to be taken."""


Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


class MetricDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one cell. `a`, `b`: its values; `difference`: b - a with its 95% interval
    `low`, `high`, null where unknown or unbounded. `margin`: how much matters. `decisive`: whether
    the overall verdict heeds it. `verdict`: better, worse, longer, shorter or 'no evidence'."""

    metric: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float
    p_adjusted: float
    margin: float
    decisive: bool
    verdict: str


class CellComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One cell that both runs have. `pairs`: joins that both made, null when unpaired."""

    connect: str
    write: str
    connections_a: int
    connections_b: int
    pairs: int | None
    differences: list[MetricDifference]

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.connect} x {self.write}"


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """Which run it is. `only_here`: names of the cells that the other does not have."""

    run_dir: str
    seed: int
    commit: str | None
    valid: bool
    invalid_because: list[str]
    only_here: list[str]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `chunk7 compare --json`; docs/comparing.md explains each field.

    `verdict`: better, worse, 'no evidence' or 'run not valid'.
    """

    schema: int = 1
    a: ComparedRun
    b: ComparedRun
    paired: bool
    unpaired_because: str | None
    changes: list[str]
    warnings: list[str]
    verdict: str
    cells: list[CellComparison]

    @property
    def valid(self) -> bool:
        """Whether both runs are."""
        return self.a.valid and self.b.valid

    def table(self) -> pd.DataFrame:
        """A row a cell and metric: name, connect, write, pairs, and the fields of a difference."""
        return pd.DataFrame(
            [
                {"name": c.name, "connect": c.connect, "write": c.write, "pairs": c.pairs}
                | msgspec.structs.asdict(difference)
                for c in self.cells
                for difference in c.differences
            ]
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """What is compared of one cell of one run.

    `connections`: rows of `Study.connections`; needed are user, turn, session_id, lost, expected,
    duplicate, join_ms and window_ms. `latency_ms`: of every chunk received live, and
    `latency_session`, the place of its session; both of the shape (chunks received live,).
    """

    connections: pd.DataFrame
    latency_ms: Any
    latency_session: Any


def compare_runs(a: Study, b: Study, margins: Mapping[str, float] | None = None) -> Comparison:
    """What b does otherwise than a.

    `margins` replaces some of MARGINS; a time that is given one becomes decisive. The verdict is
    `worse` as soon as one decisive metric of one cell is, `better` when one is and none is worse.
    A run that is not valid proves nothing: then every verdict is 'run not valid'.
    """
    samples_a, samples_b = _samples(a), _samples(b)
    common = [cell for cell in samples_a if cell in samples_b]
    reason = same_plan(a.run.manifest, b.run.manifest)
    if reason is None and not all(_paired(samples_a[c], samples_b[c]) for c in common):
        reason = "the runs' joins are not the same"
    valid = a.summary.valid and b.summary.valid
    cells = compare_samples(
        {cell: (samples_a[cell], samples_b[cell]) for cell in common}, reason is None, margins
    )
    return Comparison(
        a=_compared(a, [cell for cell in samples_a if cell not in samples_b]),
        b=_compared(b, [cell for cell in samples_b if cell not in samples_a]),
        paired=reason is None,
        unpaired_because=reason,
        changes=changed(a.run.manifest, b.run.manifest),
        warnings=differing(a.run.manifest, b.run.manifest),
        verdict=overall(cells) if valid else NOT_VALID,
        cells=cells if valid else [_unjudged(cell) for cell in cells],
    )


def compare_samples(
    cells: Mapping[tuple[str, str], tuple[Sample, Sample]],
    paired: bool,
    margins: Mapping[str, float] | None = None,
) -> list[CellComparison]:
    """The cells, by (connect, write), with Holm's correction over all decisive differences, and
    over all others."""
    limits = {**MARGINS, **(margins or {})}
    decisive = {*DELIVERY, *(margins or {})} - set(_WINDOWS)
    pairs = {cell: _pairs(a, b) if paired else None for cell, (a, b) in cells.items()}
    rows = [
        {"cell": cell, "metric": metric, "decisive": metric in decisive, **values}
        for cell, (a, b) in cells.items()
        for metric, values in _differences(a, b, pairs[cell]).items()
    ]
    judged: dict[Any, list[MetricDifference]] = {cell: [] for cell in cells}
    for row, p_adjusted in zip(rows, _adjusted(rows), strict=True):
        judged[row.pop("cell")].append(_judged(row, p_adjusted, limits[row["metric"]]))
    return [
        CellComparison(
            connect=cell[0],
            write=cell[1],
            connections_a=len(a.connections),
            connections_b=len(b.connections),
            pairs=_count(pairs[cell]),
            differences=judged[cell],
        )
        for cell, (a, b) in cells.items()
    ]


def overall(cells: list[CellComparison]) -> str:
    """worse, better or 'no evidence', of all decisive differences."""
    verdicts = {d.verdict for cell in cells for d in cell.differences if d.decisive}
    return next((verdict for verdict in ("worse", "better") if verdict in verdicts), NO_EVIDENCE)


# --- from a study ----------------------------------------------------------------------------


def _samples(study: Study) -> dict[tuple[str, str], Sample]:
    """By (connect, write), in the order in which they ran."""
    table = study.connections
    rows = study.run.connections
    sessions, _ = pd.factorize(rows["session_id"])
    timed = study.judgement.accounts["timed"]
    samples = {}
    for number, cell in enumerate(study.run.manifest.plan.cells):
        of_cell = (rows["cell"] == number).to_numpy(dtype=bool)
        first_rows = [first for first in study.judgement.latency_ms if of_cell[first]]
        latencies = [study.judgement.latency_ms[first] for first in first_rows]
        samples[cell.connect, cell.write] = Sample(
            table[table["cell"] == number],
            np.concatenate([np.zeros(0, np.float32), *latencies]),
            np.repeat(sessions[of_cell], timed.reindex(np.flatnonzero(of_cell)).to_numpy()),
        )
    return samples


def _compared(study: Study, only_here: list[tuple[str, str]]) -> ComparedRun:
    commit = study.run.manifest.extra.get("commit")
    return ComparedRun(
        run_dir=study.summary.run_dir,
        seed=study.summary.seed,
        commit=None if commit is None else str(commit),
        valid=study.summary.valid,
        invalid_because=study.summary.invalid_because,
        only_here=[" x ".join(cell) for cell in only_here],
    )


def _pairs(a: Sample, b: Sample) -> Pairs:
    """Which rows of a and of b, shape (pairs,) each, are joins of the same user at the same turn
    to the same session."""
    where = {key: row for row, key in enumerate(_keys(b))}
    rows = [(row, where[key]) for row, key in enumerate(_keys(a)) if key in where and key[0] >= 0]
    one, other = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return one, other


def _keys(sample: Sample) -> Iterator[tuple[int, int, str]]:
    """User, turn and the place of the session, with which its id ends."""
    joins = sample.connections
    places = (str(name).rpartition("-")[2] for name in joins["session_id"])
    return zip(joins["user"].tolist(), joins["turn"].tolist(), places, strict=True)


def _paired(a: Sample, b: Sample) -> bool:
    most = max(len(a.connections), len(b.connections))
    return len(_pairs(a, b)[0]) >= PAIRED_SHARE * most


def _count(pairs: Pairs | None) -> int | None:
    return None if pairs is None else len(pairs[0])


# --- metric by metric ------------------------------------------------------------------------

_WINDOWS = ("window_ms.p50", "window_ms.p95")
_VALUES = ("a", "b", "difference", "low", "high", "p_value")
_UNKNOWN: dict[str, Any] = dict.fromkeys(_VALUES) | {"p_value": 1.0}


def _differences(a: Sample, b: Sample, pairs: Pairs | None) -> dict[str, dict[str, Any]]:
    """_VALUES by metric. p_value is 1 where a side has nothing to say."""
    found = dict.fromkeys(MARGINS, _UNKNOWN)
    if len(a.connections) and len(b.connections) and (pairs is None or len(pairs[0])):
        lost, duplicate = (
            [sample.connections[name].to_numpy(dtype=float) for sample in (a, b)]
            for name in ("lost", "duplicate")
        )
        sessions = [pd.factorize(sample.connections["session_id"])[0] for sample in (a, b)]
        found["loss_rate"] = _loss_rate(lost[0] > 0, lost[1] > 0, sessions, pairs)
        found["duplicates"] = _duplicates(duplicate[0], duplicate[1], sessions, pairs)
        found["chunk_loss_rate"] = _chunk_loss_rate(_of_chunks(a), _of_chunks(b))
    for metric in MARGINS:
        name, _, part = metric.partition(".p")
        if part:
            sides = [_quantile(sample, name, int(part) / 100) for sample in (a, b)]
            found[metric] = _between(*sides)
    return found


def _loss_rate(a: Any, b: Any, sessions: list[Any], pairs: Pairs | None) -> dict[str, Any]:
    """From whether each connection lost something, and the number of its session."""
    if pairs is not None:
        found = compare_paired(b[pairs[1]], a[pairs[0]], sessions=sessions[0][pairs[0]])
    else:
        (lossy_a, of_a), (lossy_b, of_b) = (
            (np.bincount(session, lossy), np.bincount(session))
            for session, lossy in zip(sessions, (a, b), strict=True)
        )
        found = compare_unpaired(lossy_b, of_b, lossy_a, of_a)
    return _values(found.second, found.first, found)


def _duplicates(a: Any, b: Any, sessions: list[Any], pairs: Pairs | None) -> dict[str, Any]:
    """From the duplicates of each connection, and the number of its session."""
    if pairs is not None:
        a, b = a[pairs[0]], b[pairs[1]]
        found = mean_paired(b, a, sessions=sessions[0][pairs[0]])
    else:
        found = mean_unpaired(b, a, sessions_first=sessions[1], sessions_second=sessions[0])
    return _values(a.mean(), b.mean(), found)


def _of_chunks(sample: Sample) -> ClusteredRate:
    sessions, names = pd.factorize(sample.connections["session_id"])
    lost, expected = (
        np.bincount(sessions, sample.connections[name].to_numpy(dtype=float), len(names))
        for name in ("lost", "expected")
    )
    return clustered_rate(lost, expected)


def _chunk_loss_rate(a: ClusteredRate, b: ClusteredRate) -> dict[str, Any]:
    return _between((a.rate, Interval(a.low, a.high)), (b.rate, Interval(b.low, b.high)))


def _quantile(sample: Sample, name: str, probability: float) -> tuple[float | None, Any]:
    """A quantile of a cell and its 95% interval; the sessions are the unit of chunk latencies."""
    if name == "chunk_latency_ms":
        values = sample.latency_ms
        interval = clustered_quantile_interval(values, sample.latency_session, probability)
    else:
        values = sample.connections[name].to_numpy(dtype=float)
        interval = quantile_interval(values, probability)
    value = quantiles(values, (probability,))
    return (None if value is None else value[0]), interval


def _between(a: tuple[float | None, Any], b: tuple[float | None, Any]) -> dict[str, Any]:
    if a[0] is None or b[0] is None:
        return _UNKNOWN | {"a": a[0], "b": b[0]}
    return _values(a[0], b[0], square_and_add(b[0], b[1], a[0], a[1]))


def _values(a: float, b: float, found: Any) -> dict[str, Any]:
    ends = [float(end) if np.isfinite(end) else None for end in (found.low, found.high)]
    difference = float(found.difference)
    return dict(
        zip(_VALUES, (float(a), float(b), difference, *ends, float(found.p_value)), strict=True)
    )


def _adjusted(rows: list[dict[str, Any]]) -> list[float]:
    """Holm's p-values, in two families: what is decisive, and what is not."""
    p_values = np.array([row["p_value"] for row in rows])
    decisive = np.array([row["decisive"] for row in rows], dtype=bool)
    for family in (decisive, ~decisive):
        p_values[family] = holm(p_values[family])
    adjusted: list[float] = p_values.tolist()
    return adjusted


# --- verdicts --------------------------------------------------------------------------------


def _judged(row: dict[str, Any], p_adjusted: float, margin: float) -> MetricDifference:
    return MetricDifference(
        **row,
        p_adjusted=p_adjusted,
        margin=margin,
        verdict=_verdict(row, p_adjusted, margin),
    )


def _verdict(row: dict[str, Any], p_adjusted: float, margin: float) -> str:
    """More is worse, of everything but a window, which has no good side."""
    more, less = ("longer", "shorter") if row["metric"] in _WINDOWS else ("worse", "better")
    if p_adjusted >= ALPHA or row["difference"] is None:
        return NO_EVIDENCE
    if row["difference"] > 0 and row["low"] is not None and row["low"] > margin:
        return more
    if row["difference"] < 0 and row["high"] is not None and row["high"] < -margin:
        return less
    return NO_EVIDENCE


def _unjudged(cell: CellComparison) -> CellComparison:
    return msgspec.structs.replace(
        cell,
        differences=[msgspec.structs.replace(d, verdict=NOT_VALID) for d in cell.differences],
    )
