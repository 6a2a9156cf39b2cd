"""One connection, or one lost chunk, instant by instant. The labels are the bug report's:

    T1 the node reads the history    T2 the producer publishes    T3 the producer saves
    T4 the node subscribes           T5 the first chunk arrives live

Instants are in ms since the client began to open its connection. What the store executed is known
between its sending and its answer: `_least_ms` and `_most_ms`, the estimate being the middle.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chunk7.analysis.run_folder import Receipts, Run
from chunk7.analysis.study import Study
from chunk7.analysis.windows import Execution
from chunk7.delivery.errors import RecordError
from chunk7.delivery.verdicts import Cause
from chunk7.wire.tables import Via

STEPS = {
    "opens": "", "accepted": "", "read": "T1", "publish": "T2", "save": "T3", "subscribe": "T4",
    "history": "", "welcome": "", "live": "T5", "fetched": "", "leaves": "",
}  # fmt: skip
"""What can stand in the column `event`, and its label."""

_NEIGHBOURS = 3
"""Chunks shown before and after the handover."""


def loss_instants(study: Study) -> pd.DataFrame:
    """A row a lost chunk, with the index of `Study.losses`: when everything that matters happened.

    Columns, in ms since the client's opening, NaN where it did not happen or is not on record:
    accepted_ms, welcome_ms, history_ms, first_live_ms, closed_ms; and for each of read, subscribe,
    publish, save: NAME_ms, NAME_least_ms, NAME_most_ms. Also history_last_seq, the last chunk that
    the node read (NaN without a history), and receivers, what PUBLISH answered.
    """
    run, losses = study.run, study.losses
    clients = run.connections.iloc[losses["connection"]]
    zero_ns = run.instants(clients, "opening_ns")
    joins = losses["join"].to_numpy(dtype=np.int64)
    chunks = losses["chunk"].to_numpy()
    columns: dict[str, Any] = {}
    for name in ("accepted", "first_live"):
        columns[f"{name}_ms"] = _of(run.instants(run.joins, f"{name}_ns"), joins)
    for name in ("welcome", "history", "closed"):
        columns[f"{name}_ms"] = run.instants(clients, f"{name}_ns")
    for name, execution, rows in (
        ("read", study.joins.read, joins),
        ("subscribe", study.joins.subscribe, joins),
        ("publish", study.writes.publish, chunks),
        ("save", study.writes.save, chunks),
    ):
        columns |= _bounds(name, execution, rows)
    table = pd.DataFrame(columns, index=losses.index).sub(zero_ns, axis=0) / 1e6
    last = run.joins["history_last_seq"].to_numpy(dtype=float, na_value=np.nan)
    receivers = run.published["receivers"].to_numpy(dtype=float, na_value=np.nan)
    return table.assign(history_last_seq=_of(last, joins), receivers=receivers[chunks])


def typical(study: Study) -> int:
    """The connection_id of the connection to look at first.

    One that lost a chunk between its read and its subscription, as in the bug report; if there is
    none, one that lost any, or else any. Among these, of the first cell, the one whose gap is
    nearest to their median. Raises RecordError for a run without connections.
    """
    joins, losses = study.connections, study.losses
    if joins.empty:
        raise RecordError(f"{study.run.folder}: nobody connected")
    by_handover = losses["cause"] == Cause.HANDOVER_GAP.value
    for lossy in (losses.loc[by_handover, "connection"], losses["connection"]):
        if not lossy.empty:
            joins = joins.loc[joins.index.isin(lossy)]
            break
    joins = joins[joins["cell"] == joins["cell"].min()]
    off_ms = (joins["gap_ms"] - joins["gap_ms"].median()).abs().fillna(np.inf)
    return int(joins.loc[off_ms.idxmin(), "connection_id"])


def connection_timeline(study: Study, connection_id: int) -> pd.DataFrame:
    """Everything around one connection's handover, a row an event, by time.

    Columns: at_ms, least_ms, most_ms; event, one of STEPS; label, T1 to T5 or ''; seq (0: of no
    chunk); lost (bool: of a chunk that this client lost). Chunks are those that were written
    around the handover, those lost, and the first one received live. Raises RecordError for a
    connection that the run does not have.
    """
    run = study.run
    rows = np.flatnonzero(run.connections["connection_id"].to_numpy() == connection_id)
    if len(rows) == 0:
        raise RecordError(f"{run.folder}: no connection {connection_id}")
    row = int(rows[0])
    events = _of_client(study, row) + _of_join(study, connection_id)
    handover = [e for e in events if e["event"] in ("read", "subscribe")]
    receipts = receipts_of(run, row)
    events += _of_receipts(receipts) + _of_chunks(study, row, handover)
    zero_ms = run.instants(run.connections, "opening_ns")[row] / 1e6
    names = ["at_ms", "least_ms", "most_ms", "event", "seq", "lost"]
    table = pd.DataFrame(events, columns=names).dropna(subset="at_ms")
    table[names[:3]] -= zero_ms
    table.insert(4, "label", table["event"].map(STEPS))
    return table.sort_values("at_ms", kind="stable", ignore_index=True)


def receipts_of(run: Run, row: int) -> Receipts:
    """The receipts of one row of `Run.connections`."""
    for batch in run.receipts():
        within = row - batch.first_row
        if 0 <= within < len(batch.offsets) - 1:
            first, end = batch.offsets[within : within + 2]
            values = (getattr(batch, name)[first:end] for name in ("seq", "digest", "via", "at_ns"))
            return Receipts(row, np.array([0, end - first]), *values)
    raise RecordError(f"{run.folder}: no receipts of connection row {row}")


def _of(values: NDArray[np.float64], rows: Any) -> NDArray[np.float64]:
    """`values[rows]`, NaN where the row is -1."""
    taken: NDArray[np.float64] = np.append(values, np.nan)[rows]
    return taken


def _bounds(name: str, execution: Execution, rows: Any) -> dict[str, NDArray[np.float64]]:
    return {
        f"{name}_ms": _of(execution.at_ns, rows),
        f"{name}_least_ms": _of(execution.earliest_ns, rows),
        f"{name}_most_ms": _of(execution.latest_ns, rows),
    }


def _event(event: str, at_ns: float, seq: int = 0, lost: bool = False) -> dict[str, Any]:
    at_ms = at_ns / 1e6
    return {"at_ms": at_ms, "least_ms": at_ms, "most_ms": at_ms, "event": event, "seq": seq,
            "lost": lost}  # fmt: skip


def _executed(
    event: str, execution: Execution, row: int, seq: int = 0, lost: bool = False
) -> dict[str, Any]:
    bounds = {
        "least_ms": execution.earliest_ns[row] / 1e6,
        "most_ms": execution.latest_ns[row] / 1e6,
    }
    return _event(event, execution.at_ns[row], seq, lost) | bounds


def _of_client(study: Study, row: int) -> list[dict[str, Any]]:
    steps = {"opens": "opening", "history": "history", "welcome": "welcome", "leaves": "closed"}
    frame = study.run.connections.iloc[[row]]
    return [
        _event(event, study.run.instants(frame, f"{name}_ns")[0]) for event, name in steps.items()
    ]


def _of_join(study: Study, connection_id: int) -> list[dict[str, Any]]:
    frame = study.run.joins
    rows = np.flatnonzero(frame["connection_id"].to_numpy() == connection_id)
    if len(rows) == 0:
        return []
    row = int(rows[0])
    return [
        _event("accepted", study.run.instants(frame.iloc[[row]], "accepted_ns")[0]),
        _executed("read", study.joins.read, row),
        _executed("subscribe", study.joins.subscribe, row),
    ]


def _of_receipts(receipts: Receipts) -> list[dict[str, Any]]:
    """The first chunk that came live, and all that were fetched."""
    live = np.flatnonzero(receipts.via == Via.LIVE)[:1]
    fetched = np.flatnonzero(receipts.via == Via.FETCH)
    return [
        _event(event, receipts.at_ns[at], int(receipts.seq[at]))
        for event, rows in (("live", live), ("fetched", fetched))
        for at in rows
    ]


def _of_chunks(study: Study, row: int, handover: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Publication and save of the chunks around the handover, and of the lost ones."""
    run = study.run
    session = run.connections["session_id"].iloc[row]
    chunks = np.flatnonzero((run.published["session_id"] == session).to_numpy())
    lost = set(study.losses.loc[study.losses["connection"] == row, "chunk"])
    shown = set(lost)
    bounds = [e[name] for e in handover for name in ("least_ms", "most_ms")]
    bounds = [at for at in bounds if not np.isnan(at)]
    if bounds:
        published_ms = study.writes.publish.at_ns[chunks] / 1e6
        chunks = chunks[np.argsort(published_ms, kind="stable")]
        published_ms = np.sort(published_ms)
        first, end = np.searchsorted(published_ms, [min(bounds), max(bounds)])
        shown |= set(chunks[max(0, first - _NEIGHBOURS) : end + _NEIGHBOURS])
    seq = run.published["seq"].to_numpy(dtype=np.int64, na_value=0)
    return [
        _executed(event, execution, chunk, int(seq[chunk]), chunk in lost)
        for chunk in sorted(shown)
        for event, execution in (("publish", study.writes.publish), ("save", study.writes.save))
    ]
