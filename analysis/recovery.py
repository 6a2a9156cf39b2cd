"""What each fault did to the clients: how long until delivery was back, and what became of the
chunks of its time. docs/verdicts.md argues the rules.

A fault's **time** is from 50 ms before it began until 1 s after it ended; its chunks are those of
its cell that were published then. A visit that was open as the fault began is **interrupted** if
one of these never came, or came late: later than twice the cell's p99 outside of all faults, and
than LEAST_LATE_MS. Delivery is **back** with the first receipt of the last such chunk, or of one
published after it. A visit that was over before anything came is not back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from chunk7.analysis.faults import EARLY_NS, during
from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.statistics.quantiles import quantile_interval
from chunk7.analysis.verdicts import (
    Bits,
    Judgement,
    Placed,
    has_known_outcome,
    placed_receipts,
)
from chunk7.delivery.verdicts import Cause
from chunk7.wire.records import Via

LEAST_LATE_MS = 50.0
"""However fast a cell is, a chunk that takes no longer does not count as late."""


class RecoveryTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Quantiles of visits, with distribution-free 95% intervals; null without visits, and at an
    end that so few cannot bound."""

    p50: float | None = None
    p50_low: float | None = None
    p50_high: float | None = None
    p95: float | None = None
    p95_low: float | None = None
    p95_high: float | None = None


class FaultChunks(msgspec.Struct, frozen=True, kw_only=True):
    """Of some chunks, what became of them over all connections of the cell; they cross-foot:
    expected = delivered + lost + undetermined. `causes` add up to `lost`."""

    expected: int
    delivered: int
    lost: int
    undetermined: int
    duplicate: int
    causes: dict[str, int]


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    """One strike of a fault. `offset_ms` is since its cell's start, `began_s` and `ended_s` since
    the run's origin; the latter is null where no end is on record.

    `visits` were open as it began; `interrupted` of them were, of which `not_back` ended before
    anything came. `recovery_ms`: of the others, from the fault's beginning. `within`: the chunks of
    the fault's time; `outside`: those of the cell in no fault's time.
    """

    name: str
    target: str
    connect: str
    write: str
    offset_ms: float
    began_s: float
    ended_s: float | None
    visits: int
    interrupted: int
    not_back: int
    recovery_ms: RecoveryTimes
    within: FaultChunks
    outside: FaultChunks


def fault_results(
    run: Run, judgement: Judgement, causes: Any, struck: pd.DataFrame
) -> list[FaultResult]:
    """A result for each of `chunk7.analysis.faults.faults`, in its order.

    `causes`, shape (lost chunks,), in the order of `Judgement.missing`.
    """
    if struck.empty:
        return []
    facts = _facts(run, judgement, causes, struck)
    late_ms = _late_ms(run, facts)
    back_ns = np.full((len(struck), len(run.connections)), np.nan)
    counted = _Counts(facts)
    for placed in placed_receipts(run):
        counted.add(placed)
        for k in np.flatnonzero(facts.cell_of_fault == facts.cell_of_batch(placed)):
            rows = slice(placed.first_row, placed.first_row + placed.count)
            back_ns[k, rows] = _back_ns(facts, int(k), placed, late_ms)
    return [
        _result(run, facts, counted, row, back_ns[k], k)
        for k, row in enumerate(struck.to_dict("records"))
    ]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What all faults are held against. `within`, shape (faults, chunks): which chunks are of a
    fault's time; `outside`, shape (chunks,): of none's. `open_`, shape (faults, connections).

    `missing` has the columns connection, chunk, lost, cause ('' for undetermined) and disturbs:
    whether that it did not come is for certain, or the doing of its write.
    """

    due_ns: Instants
    within: Bits
    outside: Bits
    open_: Bits
    missing: pd.DataFrame
    cell_of_fault: Any
    cell_of_chunk: Any
    cell_of_row: Any
    began_ns: Instants

    def cell_of_batch(self, placed: Placed) -> int:
        """Receipts come in batches of one cell."""
        return int(self.cell_of_row[placed.first_row]) if placed.count else -1


def _facts(run: Run, judgement: Judgement, causes: Any, struck: pd.DataFrame) -> _Facts:
    publish, save = (run.instants(run.published, f"{n}_sent_ns") for n in ("publish", "save"))
    due_ns = np.where(np.isnan(publish), save, publish)
    cells = run.published["cell"].to_numpy(dtype=np.int64)
    of_fault = struck["cell"].to_numpy(dtype=np.int64)
    within = np.array(
        [
            during(struck.iloc[[k]], due_ns, EARLY_NS) & (cells == of_fault[k])
            for k in range(len(struck))
        ]
    )
    missing = judgement.missing.astype({"connection": np.int64, "chunk": np.int64})
    lost = missing["lost"].to_numpy(dtype=bool)
    cause = np.full(len(missing), "", dtype=object)
    cause[lost] = causes
    unknown = ~has_known_outcome(run.published)[missing["chunk"].to_numpy()]
    return _Facts(
        due_ns=due_ns,
        within=within,
        outside=~during(struck, due_ns, EARLY_NS),
        open_=_open(run, struck),
        missing=missing.assign(cause=cause, disturbs=lost | unknown),
        cell_of_fault=of_fault,
        cell_of_chunk=cells,
        cell_of_row=run.connections["cell"].to_numpy(dtype=np.int64),
        began_ns=struck["began_ns"].to_numpy(dtype=float),
    )


def _open(run: Run, struck: pd.DataFrame) -> Bits:
    """Which connections of its cell were open as each fault began; shape (faults, connections)."""
    frame = run.connections
    connected, closed = run.instants(frame, "connected_ns"), run.instants(frame, "closed_ns")
    # The fault is on record a little before or after it cut anybody.
    until = np.fmin(closed + EARLY_NS, run.instants(frame, "leave_ns"))
    began = struck["began_ns"].to_numpy(dtype=float)[:, None]
    cells = frame["cell"].to_numpy(dtype=np.int64)
    of_fault = struck["cell"].to_numpy(dtype=np.int64)[:, None]
    is_open: Bits = (cells == of_fault) & (connected <= began) & (until > began)
    return is_open


def _late_ms(run: Run, facts: _Facts) -> Instants:
    """By cell, from when on a chunk counts as late; shape (cells,)."""
    count = len(run.manifest.plan.cells)
    taken: list[list[Any]] = [[np.zeros(0)] for _ in range(count)]
    for placed in placed_receipts(run):
        live = (placed.chunk >= 0) & placed.is_first & (placed.via == Via.LIVE)
        live[live] &= facts.outside[placed.chunk[live]]
        ms = (placed.at_ns[live] - facts.due_ns[placed.chunk[live]]) / 1e6
        if placed.count:
            taken[facts.cell_of_batch(placed)].append(ms.astype(np.float32))
    values = [np.concatenate(parts) for parts in taken]
    usual = [2 * float(np.quantile(v, 0.99)) if len(v) else 0.0 for v in values]
    return np.maximum(LEAST_LATE_MS, usual)


def _back_ns(facts: _Facts, fault: int, placed: Placed, late_ms: Instants) -> Instants:
    """When delivery was back for each connection of a batch: NaN where it was not interrupted,
    infinite where it was never back; shape (connections of the batch,)."""
    first, end = placed.first_row, placed.first_row + placed.count
    is_open = facts.open_[fault, first:end]
    came = placed.is_first & (placed.chunk >= 0) & is_open[placed.who]
    who, chunk, at_ns = placed.who[came], placed.chunk[came], placed.at_ns[came]
    due_ns = facts.due_ns[chunk]
    limit_ns = late_ms[facts.cell_of_fault[fault]] * 1e6
    late = facts.within[fault, chunk] & (at_ns - due_ns > limit_ns)
    missing = facts.missing[facts.missing["connection"].between(first, end - 1)]
    gone, by = missing["chunk"].to_numpy(), missing["connection"].to_numpy() - first
    gone_by = facts.within[fault, gone] & missing["disturbs"].to_numpy() & is_open[by]
    last_ns = np.full(placed.count, -np.inf)
    np.maximum.at(last_ns, who[late], due_ns[late])
    np.maximum.at(last_ns, by[gone_by], facts.due_ns[gone[gone_by]])
    after = (due_ns >= last_ns[who]) & (at_ns >= facts.began_ns[fault])
    back_ns = np.full(placed.count, np.inf)
    np.minimum.at(back_ns, who[after], at_ns[after])
    back_ns[np.isneginf(last_ns)] = np.nan
    return back_ns


class _Counts:
    """First and further receipts of the chunks of each fault's time, and of none's by cell."""

    def __init__(self, facts: _Facts) -> None:
        self._facts = facts
        self._first = np.zeros(len(facts.due_ns), np.int64)
        self._again = np.zeros(len(facts.due_ns), np.int64)

    def add(self, placed: Placed) -> None:
        """Count the receipts of a batch."""
        known = placed.chunk >= 0
        for counts, these in ((self._first, placed.is_first), (self._again, ~placed.is_first)):
            counts += np.bincount(placed.chunk[known & these], minlength=len(counts))

    def of(self, chunks: Bits) -> FaultChunks:
        """What became of these chunks; shape (chunks,)."""
        missing = self._facts.missing[chunks[self._facts.missing["chunk"].to_numpy()]]
        lost = missing["lost"].to_numpy(dtype=bool)
        tally = missing.loc[lost, "cause"].value_counts()
        delivered = int(self._first[chunks].sum())
        return FaultChunks(
            expected=delivered + len(missing),
            delivered=delivered,
            lost=int(lost.sum()),
            undetermined=int((~lost).sum()),
            duplicate=int(self._again[chunks].sum()),
            causes={cause.value: int(tally[cause.value]) for cause in Cause if cause in tally},
        )


def _result(
    run: Run, facts: _Facts, counted: _Counts, fault: Any, back_ns: Instants, k: int
) -> FaultResult:
    cell = run.manifest.plan.cells[fault["cell"]]
    interrupted = ~np.isnan(back_ns)
    back = np.isfinite(back_ns)
    ended_ns = fault["ended_ns"]
    of_cell = facts.cell_of_chunk == fault["cell"]
    return FaultResult(
        name=fault["name"],
        target=fault["target"],
        connect=cell.connect,
        write=cell.write,
        offset_ms=fault["offset_ms"],
        began_s=fault["began_ns"] / 1e9,
        ended_s=None if np.isnan(ended_ns) else ended_ns / 1e9,
        visits=int(facts.open_[k].sum()),
        interrupted=int(interrupted.sum()),
        not_back=int((interrupted & ~back).sum()),
        recovery_ms=_times((back_ns[back] - fault["began_ns"]) / 1e6),
        within=counted.of(facts.within[k]),
        outside=counted.of(facts.outside & of_cell),
    )


def _times(values_ms: Instants) -> RecoveryTimes:
    return RecoveryTimes(**dict(_quantiles(values_ms)))


def _quantiles(values_ms: Instants) -> Iterator[tuple[str, float | None]]:
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        interval = quantile_interval(values_ms, share)
        if interval is not None:
            yield name, float(np.quantile(values_ms, share))
            for end in ("low", "high"):
                value = float(getattr(interval, end))
                yield f"{name}_{end}", value if np.isfinite(value) else None
