"""What the law says a run should have lost, fetched and doubled, cell by cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.faults import planned_deaths
from chunk7.analysis.law import Joins, Writes, handover
from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Ints
from chunk7.analysis.windows import Execution, JoinTimes, WriteTimes

NORMAL_95 = 1.959963984540054
"""Half the width of a normal distribution's central 95%, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A predicted number of chunks and its 95% interval."""

    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one cell. Holes that the client fetches are no losses; overlaps that the node merges
    are no duplicates."""

    lost: Expectation = Expectation()
    fetched: Expectation = Expectation()
    duplicate: Expectation = Expectation()


Columns = dict[str, Any]
"""Arrays of one length, by name."""

KINDS = ("lost", "fetched", "duplicate")
"""What the law predicts, and the columns of `per_join`."""

_OFFS = {"": 0, "_low": -1, "_high": 1}
"""Column endings, and which of the possible gaps they are of, for holes."""


def predict(run: Run, joins: JoinTimes, writes: WriteTimes) -> dict[int, Prediction]:
    """By cell, over all joins whose instants are known. Cells without any are left out."""
    return by_cell(per_join(run, joins, writes))


def by_cell(table: pd.DataFrame) -> dict[int, Prediction]:
    """The sums over a table of `per_join`.

    The interval is that of the gap's uncertainty, from its smallest possible to its largest, each
    widened by 1.96 standard deviations of the sum over joins, which are independent.
    """
    sums = table.groupby("cell").sum()
    return {
        int(cell): Prediction(**{kind: _expectation(row, kind) for kind in KINDS})
        for cell, row in zip(sums.index, sums.to_dict("records"), strict=True)
    }


def per_join(run: Run, joins: JoinTimes, writes: WriteTimes) -> pd.DataFrame:
    """What the law predicts for each join whose instants are known, a row each, in chunks.

    Columns: `connection` (row of `Run.connections`), `cell`, and for each of KINDS the mean KIND,
    its variance KIND_variance, and the same two for the least and the greatest number that the
    instants' uncertainty allows: KIND_low, KIND_low_variance, KIND_high, KIND_high_variance.
    """
    table = _join_table(run, joins)
    known = _known_writes(run, writes)
    parts = [_of_session(rows, known, session) for session, rows in _by_session(table)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _with_traits(run, pd.DataFrame(whole))


def _by_session(table: pd.DataFrame) -> Iterator[tuple[str, Columns]]:
    """The rows of each session, in the order in which sessions first come; of none, no rows."""
    place, sessions = pd.factorize(table["session_id"])
    in_order = np.argsort(place, kind="stable")
    columns = {name: table[name].to_numpy()[in_order] for name in table}
    sizes = np.bincount(place, minlength=len(sessions))
    ends = np.cumsum(sizes)
    for session, begin, end in zip(sessions, ends - sizes, ends, strict=True):
        yield session, {name: values[begin:end] for name, values in columns.items()}
    if not len(sessions):
        yield "", columns


def _join_table(run: Run, joins: JoinTimes) -> pd.DataFrame:
    """A row a join: delays from the opening, and how far the window may be off."""
    row = pd.Index(run.connections["connection_id"]).get_indexer(run.joins["connection_id"])
    found = row >= 0
    frame = run.connections.iloc[row[found]]
    opening = run.instants(frame, "opening_ns")
    # Streams have one place: reading and following are one cursor, there is no window to err in.
    none = run.joins["subscribe_sent_ns"].isna().to_numpy()
    # Of a join that has happened it is known to be before the horizon: it was drawn evenly from
    # what of its time lies before that, and only there are the chunks on record, and old enough
    # for a missing one to count as lost.
    known_ns = pd.Series(run.instants(run.processes, "known_until_ns"), run.processes["process"])
    receipts_known_ns = known_ns.reindex(frame["process"]).to_numpy()
    horizon = np.fmin(_chunks_known_until(run), receipts_known_ns) - run.manifest.settle_ms * 1e6
    latest = np.minimum(run.instants(frame, "join_latest_ns"), horizon)
    latest[opening > horizon] = np.nan
    table = pd.DataFrame(
        {
            "connection": row[found],
            "cell": frame["cell"].to_numpy(dtype=np.int64),
            "connect": frame["connect"].to_numpy(),
            "session_id": frame["session_id"].to_numpy(),
            "after_seq": frame["after_seq"].to_numpy(dtype=np.int64, na_value=0),
            "earliest": run.instants(frame, "join_earliest_ns"),
            "latest": latest,
            "read": joins.read.at_ns[found] - opening,
            "subscribe": (joins.read.at_ns + joins.window_ns)[found] - opening,
            "read_off": np.where(none, 0.0, joins.read.off_ns)[found],
            "subscribe_off": np.where(none, 0.0, joins.subscribe.off_ns)[found],
        }
    )
    return table.dropna()


def _chunks_known_until(run: Run) -> float:
    """Up to when every chunk was recorded that there was: the end, a stop, or the last flush.

    A producer that was killed on purpose took its last second along, and another went on.
    """
    known_ns = run.instants(run.processes, "known_until_ns")
    killed = run.processes["process"].isin(planned_deaths(run))
    of_producer = ((run.processes["part"] == "producer") & ~killed).to_numpy(dtype=bool)
    stops = run.events[run.events["kind"] == "order_stopped"]
    ends = np.concatenate([known_ns[of_producer], run.instants(stops, "at_ns")])
    return float(np.nanmin(ends)) if not np.isnan(ends).all() else np.inf


def _of_session(rows: Columns, known: "_KnownWrites", session: str) -> Columns:
    """The holes and overlaps of one session's joins, as `hole` and `overlap` columns."""
    columns = {name: rows[name] for name in ("connection", "cell", "connect")}
    for ending, off in _OFFS.items():
        holes, overlaps = handover(_joins(rows, off), known.of(session, off))
        # The larger the gap, the more is lost and the less is doubled.
        mirrored = {"": "", "_low": "_high", "_high": "_low"}[ending]
        for name, moments in ((f"hole{ending}", holes), (f"overlap{mirrored}", overlaps)):
            columns |= {name: moments.mean, f"{name}_variance": moments.variance}
    return columns


def _with_traits(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Whether a hole is lost, fetched or recovered, and an overlap doubled or merged."""
    traits = run.manifest.traits
    fills = table["connect"].map(lambda name: traits[name].fills_gaps).to_numpy(dtype=bool)
    recovers = table["connect"].map(lambda name: traits[name].recovers).to_numpy(dtype=bool)
    merges = table["connect"].map(lambda name: traits[name].merges).to_numpy(dtype=bool)
    columns = {"connection": table["connection"], "cell": table["cell"]}
    for ending in (end + part for end in _OFFS for part in ("", "_variance")):
        hole, overlap = table[f"hole{ending}"], table[f"overlap{ending}"]
        columns[f"lost{ending}"] = hole.where(~(fills | recovers), 0.0)
        columns[f"fetched{ending}"] = hole.where(fills, 0.0)
        columns[f"duplicate{ending}"] = overlap.where(~merges, 0.0)
    return pd.DataFrame(columns)


def _joins(rows: Columns, off: int) -> Joins:
    """`off`: -1, 0, 1 for the smallest, the estimated, the largest possible window."""
    return Joins(
        earliest_ns=rows["earliest"],
        latest_ns=rows["latest"],
        subscribe_delay_ns=rows["subscribe"] + off * rows["subscribe_off"],
        read_delay_ns=rows["read"] - off * rows["read_off"],
        after_seq=rows["after_seq"],
    )


@dataclass(frozen=True, slots=True)
class _KnownWrites:
    """Chunks whose writes have a known outcome, in arrays of the shape (chunks,); `by_session`:
    places in them. A chunk of one command is off by nothing: its lag is 0.
    """

    publish_ns: Instants
    publish_off_ns: Instants
    save_ns: Instants
    save_off_ns: Instants
    seq: Ints
    by_session: Mapping[str, Ints]

    def of(self, session: str, off: int) -> Writes:
        """Those of one session; `off` as for the joins, for the lag."""
        at = self.by_session.get(session, np.zeros(0, np.int64))
        return Writes(
            published_ns=self.publish_ns[at] - off * self.publish_off_ns[at],
            saved_ns=self.save_ns[at] + off * self.save_off_ns[at],
            seq=self.seq[at],
        )


def _known_writes(run: Run, writes: WriteTimes) -> _KnownWrites:
    chunks = np.flatnonzero(run.published["error"].isna().to_numpy() & ~np.isnan(writes.lag_ns))
    one_command = _same(writes.publish, writes.save)[chunks]
    return _KnownWrites(
        publish_ns=writes.publish.at_ns[chunks],
        publish_off_ns=np.where(one_command, 0.0, writes.publish.off_ns[chunks]),
        save_ns=writes.save.at_ns[chunks],
        save_off_ns=np.where(one_command, 0.0, writes.save.off_ns[chunks]),
        seq=run.published["seq"].to_numpy(dtype=np.int64)[chunks],
        by_session=pd.Series(chunks)
        .groupby(run.published["session_id"].to_numpy()[chunks])
        .indices,
    )


def _same(one: Execution, other: Execution) -> Any:
    return (one.earliest_ns == other.earliest_ns) & (one.latest_ns == other.latest_ns)


def expectation(
    mean: float, least: float, least_variance: float, most: float, most_variance: float
) -> Expectation:
    """From sums over joins: of the means, and of the least and greatest that the instants allow."""
    low = least - NORMAL_95 * float(np.sqrt(least_variance))
    high = most + NORMAL_95 * float(np.sqrt(most_variance))
    return Expectation(mean, max(low, 0.0), high)


def _expectation(sums: dict[Any, float], kind: str) -> Expectation:
    endings = ("", "_low", "_low_variance", "_high", "_high_variance")
    return expectation(*(sums[f"{kind}{ending}"] for ending in endings))
