"""A run, judged: the one thing from which every table, figure and page is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.causes import explain, loss_table
from chunk7.analysis.gather import gather
from chunk7.analysis.manifest import read_manifest
from chunk7.analysis.prediction import KINDS, per_join
from chunk7.analysis.results import (
    COUNTS,
    NAME,
    Evidence,
    Summary,
    read_summary,
    summary_of,
    write_summary,
)
from chunk7.analysis.run_folder import Run, load_run
from chunk7.analysis.verdicts import Judgement, judge
from chunk7.analysis.windows import JoinTimes, WriteTimes, gap_ns, join_times, write_times


@dataclass(frozen=True, slots=True)
class Study:
    """What is known of a run.

    `connections`: a row a visit that got a connection, index its row of `Run.connections`. Columns:
        cell (int), name ('connect x write'), connect, write; connection_id, user, turn (which of
        the user's joins in its cell, from 0: the same user and turn meet the same chunks in every
        cell), session_id, node; opened_s since the run's origin; join_ms, window_ms, gap_ms (NaN
        where unknown); the COUNTS; and for each of prediction.KINDS what the law expects,
        KIND_expected, KIND_variance, KIND_least, KIND_least_variance, KIND_most,
        KIND_most_variance (NaN where the join's instants are unknown).
    `losses`: a row a lost chunk. Columns: connection (index of `connections`), cell, name,
        connection_id, session_id, join (row of `Run.joins`, -1: none: that of the visit's
        connection that should have brought it), node (its), chunk (row of `Run.published`),
        message_id, index, seq, cause, published_s since the run's origin.
    """

    run: Run
    judgement: Judgement
    summary: Summary
    joins: JoinTimes
    writes: WriteTimes
    connections: pd.DataFrame
    losses: pd.DataFrame


def open_study(run_dir: Path | str) -> Study:
    """Judge a run folder, gathering its raw records first if nobody has.

    What an earlier `summary.json` holds against the run stays (a signal that ended it, say, is in
    no record). Raises RecordError, naming the file, for what is foreign, damaged or no run folder.
    """
    folder = Path(run_dir)
    read_manifest(folder)  # before anything is written into what is no run folder
    if (folder / "raw").is_dir() and not (folder / "connections.parquet").exists():
        gather(folder)
    return study(load_run(folder), _known_before(folder))


def analyse(run_dir: Path | str, also_invalid_because: Sequence[str] = ()) -> Study:
    """Gather a run folder's raw records, judge them, and write `summary.json`.

    Without `raw/` the tables gathered before are judged again. `also_invalid_because`: what the
    caller knows against the run and the records cannot tell. Raises RecordError as `open_study`.
    """
    folder = Path(run_dir)
    if (folder / "raw").is_dir():
        gather(folder)
    judged = study(load_run(folder), also_invalid_because)
    write_summary(folder, judged.summary)
    return judged


def study(run: Run, also_invalid_because: Sequence[str] = (), running: bool = False) -> Study:
    """Judge a loaded run; `running` as for `chunk7.analysis.validity.reasons`."""
    judgement, joins, writes = judge(run), join_times(run), write_times(run)
    losses, who, join = loss_table(run, judgement, joins, writes)
    causes = explain(losses, run.manifest.settle_ms * 1e6)
    evidence = Evidence(joins, writes, per_join(run, joins, writes), who, join, causes)
    return Study(
        run=run,
        judgement=judgement,
        summary=summary_of(run, judgement, evidence, also_invalid_because, running),
        joins=joins,
        writes=writes,
        connections=_connections(run, judgement, evidence),
        losses=_losses(run, judgement, evidence),
    )


def _known_before(folder: Path) -> list[str]:
    return read_summary(folder).invalid_because if (folder / NAME).exists() else []


def _connections(run: Run, judgement: Judgement, evidence: Evidence) -> pd.DataFrame:
    frame = run.connections
    opening = run.instants(frame, "opening_ns")
    table = pd.DataFrame(
        {
            "cell": frame["cell"].to_numpy(dtype=np.int64),
            "name": _names(run)[frame["cell"].to_numpy(dtype=np.int64)],
            "connect": frame["connect"].to_numpy(),
            "write": frame["write"].to_numpy(),
            "connection_id": frame["connection_id"].to_numpy(dtype=np.int64),
            "user": frame["user"].to_numpy(dtype=np.int64, na_value=-1),
            "session_id": frame["session_id"].to_numpy(),
            "opened_s": opening / 1e9,
            "join_ms": (run.instants(frame, "history_ns") - opening) / 1e6,
        }
    )
    table["turn"] = table.groupby(["cell", "user"])["opened_s"].rank("first").sub(1)
    table = table.join(_join_columns(run, evidence)).join(judgement.accounts[list(COUNTS)])
    table = table.join(_law_columns(evidence.expected))
    opened = frame["connected_ns"].notna() | frame["closed_ns"].isna()
    return table[opened.to_numpy(dtype=bool)].astype({"turn": np.int64})


def _join_columns(run: Run, evidence: Evidence) -> pd.DataFrame:
    """What the nodes recorded, indexed by row of `Run.connections`."""
    row = pd.Index(run.connections["connection_id"]).get_indexer(run.joins["connection_id"])
    table = pd.DataFrame(
        {
            "node": run.joins["node"].to_numpy(),
            "window_ms": evidence.joins.window_ns / 1e6,
            "gap_ms": gap_ns(run, evidence.joins, evidence.writes) / 1e6,
        },
        index=row,
    )
    return table[row >= 0]


def _law_columns(expected: pd.DataFrame) -> pd.DataFrame:
    endings = {
        "": "expected", "_variance": "variance", "_low": "least", "_low_variance": "least_variance",
        "_high": "most", "_high_variance": "most_variance",
    }  # fmt: skip
    table = expected.set_index("connection")
    columns = {f"{k}{end}": f"{k}_{name}" for k in KINDS for end, name in endings.items()}
    return table[list(columns)].rename(columns=columns)


def _losses(run: Run, judgement: Judgement, evidence: Evidence) -> pd.DataFrame:
    who = evidence.who
    lost = judgement.missing[judgement.missing["lost"].to_numpy(dtype=bool)]
    chunk = lost["chunk"].to_numpy(dtype=np.int64)
    of_chunk, of_client = run.published.iloc[chunk], run.connections.iloc[who]
    cell = of_client["cell"].to_numpy(dtype=np.int64)
    nodes: Any = run.joins["node"].reset_index(drop=True)
    return pd.DataFrame(
        {
            "connection": who,
            "cell": cell,
            "name": _names(run)[cell],
            "connection_id": of_client["connection_id"].to_numpy(dtype=np.int64),
            "session_id": of_client["session_id"].to_numpy(),
            "join": evidence.join,
            "node": nodes.reindex(evidence.join).to_numpy(),
            "chunk": chunk,
            "message_id": of_chunk["message_id"].to_numpy(),
            "index": of_chunk["index"].to_numpy(dtype=np.int64),
            "seq": of_chunk["seq"].to_numpy(dtype=np.int64),
            "cause": evidence.causes,
            "published_s": evidence.writes.publish.at_ns[chunk] / 1e9,
        }
    )


def _names(run: Run) -> Any:
    return np.array([cell.name for cell in run.manifest.plan.cells], dtype=object)
