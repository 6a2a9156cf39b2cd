"""Users who lost their connection and came back: which join should have brought a chunk, how long
they were away, and what became of the chunks of that time.
"""

from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Bits, Ints, Judgement

COLUMNS = (
    "users_cut", "returns", "tries", "never_back", "away_ms_median", "away_ms_max",
    "chunks_away", "chunks_away_got", "chunks_away_lost", "chunks_away_undetermined",
)  # fmt: skip
"""Of a cell; `Result.returns` has them where a user was cut."""


def joins_in_charge(run: Run, who: Ints, sent_ns: Instants) -> Ints:
    """The row of `Run.joins` that should have brought each chunk, -1 where no node recorded it.

    `who`, shape (chunks,), are rows of `Run.connections`, `sent_ns` when each chunk's publication
    was sent. A chunk is the first connection's until the settle time before its end (what is on its
    way then is as lost as what comes later), and after that the next one's that got a history.
    """
    ids = run.connections["connection_id"].to_numpy(dtype=np.int64)[who]
    if len(run.returns):
        ids = _after_returns(run, who, sent_ns, ids)
    joins = pd.Index(run.joins["connection_id"].to_numpy(dtype=np.int64))
    rows: Ints = joins.get_indexer(ids).astype(np.int64)
    return rows


def _after_returns(run: Run, who: Ints, sent_ns: Instants, first_ids: Ints) -> Ints:
    """The id of the connection whose each chunk was; `first_ids` where it is the visit's own."""
    chunks = pd.DataFrame({"connection": who, "at": np.nan_to_num(sent_ns)}).sort_values("at")
    found = pd.merge_asof(chunks, _parts(run).sort_values("at"), on="at", by="connection")
    later = found["connection_id"].set_axis(chunks.index).sort_index()
    ids: Ints = later.fillna(pd.Series(first_ids)).to_numpy(dtype=np.int64)
    return ids


def _parts(run: Run) -> pd.DataFrame:
    """Returns that got a history: `connection`, `connection_id`, and `at`, from when on chunks are
    theirs; all chunks are where there was no history before."""
    frame = run.returns[run.returns["history_ns"].notna().to_numpy(dtype=bool)]
    row = _visits(run, frame)
    lost_ns = run.instants(frame, "lost_ns") - run.manifest.settle_ms * 1e6
    first = run.instants(run.connections, "history_ns")[row] >= run.instants(frame, "history_ns")
    return pd.DataFrame(
        {
            "connection": row,
            "connection_id": frame["connection_id"].to_numpy(dtype=np.int64),
            "at": np.where(first, -np.inf, lost_ns),
        }
    )


def _visits(run: Run, returns: pd.DataFrame) -> Ints:
    index = pd.Index(run.connections["connection_id"].to_numpy(dtype=np.int64))
    rows: Ints = index.get_indexer(returns["first_id"].to_numpy(dtype=np.int64)).astype(np.int64)
    return rows


def absences(run: Run, judgement: Judgement) -> pd.DataFrame:
    """A row for each time that a user was without a connection, in the order of `Run.returns`.

    Columns: connection (row of `Run.connections`), cell; lost_s, and back_s (NaN: never), since the
    run's origin; away_ms, until the history came, or until the user left; tries to come back; and
    of the session's chunks that were published meanwhile: chunks, got (by the end of the visit),
    lost, undetermined, which cross-foot.
    """
    table = _absences(run)
    seq = run.published["seq"].to_numpy(dtype=np.int64, na_value=0)
    due_ns = _due_ns(run)
    numbered = (seq > 0) & ~np.isnan(due_ns)  # of others nobody expects anything
    missing = judgement.missing[numbered[judgement.missing["chunk"].to_numpy(dtype=np.int64)]]
    of_visit = missing.assign(due=due_ns[missing["chunk"]]).groupby("connection")
    by_session = pd.Series(due_ns[numbered]).groupby(
        run.published["session_id"].to_numpy()[numbered]
    )
    due_of = {session: np.sort(part.to_numpy()) for session, part in by_session}
    sessions = run.connections["session_id"].to_numpy()
    rows = []
    for connection, begin, end in table[["connection", "lost_ns", "until_ns"]].itertuples(False):
        due = due_of.get(sessions[connection], np.zeros(0))
        chunks = int(np.searchsorted(due, end) - np.searchsorted(due, begin))
        rows.append((chunks, *_missing(of_visit, connection, begin, end)))
    counts = pd.DataFrame(rows, columns=["chunks", "lost", "undetermined"], dtype=np.int64)
    table = table.join(counts)
    table["got"] = table["chunks"] - table["lost"] - table["undetermined"]
    return table.drop(columns=["lost_ns", "until_ns"])


def _absences(run: Run) -> pd.DataFrame:
    """Without the chunks; with the instants `lost_ns` and `until_ns`.

    Tries that failed, one after the other, are of the absence that the next one ended, if any did.
    """
    frame = run.returns
    tried = pd.DataFrame(
        {
            "connection": _visits(run, frame),
            "lost_ns": run.instants(frame, "lost_ns"),
            "back_ns": run.instants(frame, "history_ns"),
        }
    )
    grouped = tried.groupby(["connection", "lost_ns"], sort=False)["back_ns"]
    table = grouped.agg(["max", "size"]).reset_index()
    table.columns = pd.Index(["connection", "lost_ns", "back_ns", "tries"])
    table = pd.concat([table, _never_tried(run, table)], ignore_index=True)
    leave_ns = run.instants(run.connections, "leave_ns")[table["connection"].to_numpy(np.int64)]
    until_ns = np.where(table["back_ns"].isna(), leave_ns, table["back_ns"])
    cell = run.connections["cell"].to_numpy(dtype=np.int64)
    return pd.DataFrame(
        {
            "connection": table["connection"].astype(np.int64),
            "cell": cell[table["connection"].to_numpy(np.int64)],
            "lost_s": table["lost_ns"] / 1e9,
            "back_s": table["back_ns"] / 1e9,
            "away_ms": (until_ns - table["lost_ns"]) / 1e6,
            "tries": table["tries"].astype(np.int64),
            "lost_ns": table["lost_ns"],
            "until_ns": until_ns,
        }
    )


def _never_tried(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Visits that were cut so late, or in such a way, that the user did not even try."""
    still_away = table.loc[table["back_ns"].isna(), "connection"]
    rows = np.setdiff1d(np.flatnonzero(_cut(run)), still_away)
    lost_ns = run.instants(run.connections, "closed_ns")[rows]
    columns: dict[str, Any] = {
        "connection": rows, "lost_ns": lost_ns, "back_ns": np.full(len(rows), np.nan), "tries": 0
    }  # fmt: skip
    return pd.DataFrame(columns)


def _cut(run: Run) -> Bits:
    """Which visits' connections were ended by the server."""
    cut: Bits = run.connections["by_server"].to_numpy(dtype=bool, na_value=False)
    return cut


def _due_ns(run: Run) -> Instants:
    """When each chunk's first command was sent, as for the verdicts."""
    publish, save = (run.instants(run.published, f"{n}_sent_ns") for n in ("publish", "save"))
    return np.where(np.isnan(publish), save, publish)


def _missing(of_visit: Any, connection: int, begin: float, end: float) -> tuple[int, int]:
    """(lost, undetermined) of the chunks due in [begin, end)."""
    if connection not in of_visit.groups:
        return 0, 0
    rows = of_visit.get_group(connection)
    lost = rows.loc[(rows["due"] >= begin) & (rows["due"] < end), "lost"].to_numpy(dtype=bool)
    return int(lost.sum()), int((~lost).sum())


def returns_by_cell(run: Run, judgement: Judgement) -> dict[int, dict[str, int | float]]:
    """COLUMNS of each cell in which a user was cut; `away_ms` is of those who came back."""
    if run.manifest.target is not None or not (len(run.returns) or _cut(run).any()):
        return {}
    table = absences(run, judgement)
    return {int(cell): _summed(rows) for cell, rows in table.groupby("cell")}


def _summed(rows: pd.DataFrame) -> dict[str, int | float]:
    back = rows["back_s"].notna()
    away_ms = rows.loc[back, "away_ms"]
    found: dict[str, int | float] = {
        "users_cut": rows["connection"].nunique(),
        "returns": int(back.sum()),
        "tries": int(rows["tries"].sum()),
        "never_back": int((~back).sum()),
    }
    if len(away_ms):
        found |= {"away_ms_median": float(away_ms.median()), "away_ms_max": float(away_ms.max())}
    names = {"": "chunks", "_got": "got", "_lost": "lost", "_undetermined": "undetermined"}
    return found | {f"chunks_away{end}": int(rows[name].sum()) for end, name in names.items()}
