"""What each fault did to the clients: how long until delivery was back, and what became of the
chunks of its time. docs/verdicts.md argues the rules.

A fault's **time** is from 50 ms before it began until 1 s after it ended, but no longer than until
the next one of its cell: its chunks are those of its cell that were published then. A visit that
was open as the fault began is **interrupted** if one of these never came, or came late: later than
twice the cell's p99 outside of all faults, and than LEAST_LATE_MS. Delivery is **back** with the
first receipt of the last such chunk, or of one published after it. A visit that was over before
anything came is not back.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from chunk7.analysis.faults import EARLY_NS, RECOVERY_NS, during
from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.statistics.quantiles import quantile_interval
from chunk7.analysis.verdicts import (
    Bits,
    Ints,
    Judgement,
    Placed,
    has_known_outcome,
    placed_receipts,
)
from chunk7.delivery.verdicts import Cause
from chunk7.wire.tables import Via

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
    late_ns = _late_ns(run, facts)
    strikes = [_Strike(row, _next_ns(row, struck)) for row in struck.to_dict("records")]
    counted = _Counts(facts)
    for placed in placed_receipts(run):
        counted.add(placed)
        cell = facts.cell_of(placed)
        for strike in strikes:
            if strike.cell == cell:
                strike.back_ns.append(_back_ns(facts, strike, placed, late_ns[cell]))
    return [_result(run, facts, counted, strike) for strike in strikes]


class _Strike:
    """A row of the faults, and when delivery was back for those that it interrupted: infinite for
    those of whom it never was, batch by batch of the receipts."""

    def __init__(self, row: dict[Any, Any], next_ns: float) -> None:
        self.row = row
        self.cell = int(row["cell"])
        self.began_ns = float(row["began_ns"])
        ended_ns = np.inf if np.isnan(row["ended_ns"]) else float(row["ended_ns"])
        self._from_ns = self.began_ns - EARLY_NS
        self._until_ns = min(ended_ns + RECOVERY_NS, next_ns - EARLY_NS)
        self.back_ns: list[Instants] = [np.zeros(0)]

    def has(self, due_ns: Instants) -> Bits:
        """Which of these instants are in its time."""
        inside: Bits = (due_ns >= self._from_ns) & (due_ns <= self._until_ns)
        return inside


def _next_ns(row: dict[Any, Any], struck: pd.DataFrame) -> float:
    """When the next fault of its cell begins; infinite if none does. Two that begin within
    EARLY_NS of each other strike together."""
    began_ns = struck.loc[struck["cell"] == row["cell"], "began_ns"].to_numpy(dtype=float)
    return float(began_ns[began_ns > row["began_ns"] + EARLY_NS].min(initial=np.inf))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What all faults are held against.

    `due_ns`, `cell_of_chunk`, `outside` (of every fault's time): shape (chunks,); `opened_ns`,
    `until_ns`, `cell_of_row`: shape (connections,). Of what never came, in the order of
    `Judgement.missing`: `by` whom, which `chunk`, its `cause` ('' if undetermined), and whether it
    `disturbs`: it did not come for certain, or its write is of unknown outcome.
    """

    due_ns: Instants
    cell_of_chunk: Ints
    outside: Bits
    opened_ns: Instants
    until_ns: Instants
    cell_of_row: Ints
    by: Ints
    chunk: Ints
    cause: Any
    disturbs: Bits

    def cell_of(self, placed: Placed) -> int:
        """Receipts come in batches of one cell."""
        return int(self.cell_of_row[placed.first_row]) if placed.count else -1

    def open_at(self, at_ns: float) -> Bits:
        """Which connections were open then, or until a moment before; shape (connections,)."""
        is_open: Bits = (self.opened_ns <= at_ns) & (self.until_ns > at_ns)
        return is_open


def _facts(run: Run, judgement: Judgement, causes: Any, struck: pd.DataFrame) -> _Facts:
    publish, save = (run.instants(run.published, f"{n}_sent_ns") for n in ("publish", "save"))
    due_ns = np.where(np.isnan(publish), save, publish)
    lost = judgement.missing["lost"].to_numpy(dtype=bool)
    chunk = judgement.missing["chunk"].to_numpy(dtype=np.int64)
    cause = np.full(len(lost), "", dtype=object)
    cause[lost] = causes
    visits = run.connections
    closed_ns = run.instants(visits, "closed_ns")
    return _Facts(
        due_ns=due_ns,
        cell_of_chunk=run.published["cell"].to_numpy(dtype=np.int64),
        outside=~during(struck, due_ns, EARLY_NS),
        opened_ns=run.instants(visits, "connected_ns"),
        # A fault may be on record a little after it cut anybody.
        until_ns=np.fmin(closed_ns + EARLY_NS, run.instants(visits, "leave_ns")),
        cell_of_row=visits["cell"].to_numpy(dtype=np.int64),
        by=judgement.missing["connection"].to_numpy(dtype=np.int64),
        chunk=chunk,
        cause=cause,
        disturbs=lost | ~has_known_outcome(run.published)[chunk],
    )


def _late_ns(run: Run, facts: _Facts) -> Instants:
    """By cell, from when on a chunk counts as late; shape (cells,)."""
    taken: list[list[Any]] = [[np.zeros(0)] for _ in run.manifest.plan.cells]
    for placed in placed_receipts(run):
        live = (placed.chunk >= 0) & placed.is_first & (placed.via == Via.LIVE)
        live[live] &= facts.outside[placed.chunk[live]]
        ns = placed.at_ns[live] - facts.due_ns[placed.chunk[live]]
        if placed.count:
            taken[facts.cell_of(placed)].append(ns.astype(np.float32))
    values = [np.concatenate(parts) for parts in taken]
    usual_ns = [2 * float(np.quantile(v, 0.99)) if len(v) else 0.0 for v in values]
    return np.maximum(LEAST_LATE_MS * 1e6, usual_ns)


def _back_ns(facts: _Facts, strike: _Strike, placed: Placed, late_ns: float) -> Instants:
    """When delivery was back for each visit of a batch that was interrupted, infinite where it
    never was; shape (interrupted,)."""
    first, end = placed.first_row, placed.first_row + placed.count
    is_open = facts.open_at(strike.began_ns)[first:end]
    came = placed.is_first & (placed.chunk >= 0) & is_open[placed.who]
    who, at_ns, due_ns = placed.who[came], placed.at_ns[came], facts.due_ns[placed.chunk[came]]
    late = strike.has(due_ns) & (at_ns - due_ns > late_ns)
    of_batch = slice(*np.searchsorted(facts.by, [first, end]))
    by, gone_ns = facts.by[of_batch] - first, facts.due_ns[facts.chunk[of_batch]]
    gone = strike.has(gone_ns) & facts.disturbs[of_batch] & is_open[by]
    last_ns = np.full(placed.count, -np.inf)
    np.maximum.at(last_ns, who[late], due_ns[late])
    np.maximum.at(last_ns, by[gone], gone_ns[gone])
    after = (due_ns >= last_ns[who]) & (at_ns >= strike.began_ns)
    back_ns = np.full(placed.count, np.inf)
    np.minimum.at(back_ns, who[after], at_ns[after])
    of_interrupted: Instants = back_ns[np.isfinite(last_ns)]
    return of_interrupted


class _Counts:
    """How often each chunk was received for the first time by somebody, and again."""

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
        cause = self._facts.cause[chunks[self._facts.chunk]]
        tally = Counter(cause[cause != ""].tolist())
        delivered = int(self._first[chunks].sum())
        return FaultChunks(
            expected=delivered + len(cause),
            delivered=delivered,
            lost=tally.total(),
            undetermined=len(cause) - tally.total(),
            duplicate=int(self._again[chunks].sum()),
            causes={name.value: tally[name.value] for name in Cause if name.value in tally},
        )


def _result(run: Run, facts: _Facts, counted: _Counts, strike: _Strike) -> FaultResult:
    row, cell = strike.row, run.manifest.plan.cells[strike.cell]
    back_ns = np.concatenate(strike.back_ns)
    back = np.isfinite(back_ns)
    of_cell = facts.cell_of_chunk == strike.cell
    visits = facts.open_at(strike.began_ns) & (facts.cell_of_row == strike.cell)
    return FaultResult(
        name=row["name"],
        target=row["target"],
        connect=cell.connect,
        write=cell.write,
        offset_ms=row["offset_ms"],
        began_s=strike.began_ns / 1e9,
        ended_s=None if np.isnan(row["ended_ns"]) else row["ended_ns"] / 1e9,
        visits=int(visits.sum()),
        interrupted=len(back_ns),
        not_back=int((~back).sum()),
        recovery_ms=_times((back_ns[back] - strike.began_ns) / 1e6),
        within=counted.of(strike.has(facts.due_ns) & of_cell),
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
