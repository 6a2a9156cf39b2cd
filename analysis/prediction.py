"""What the law says a run should have lost, fetched and doubled, cell by cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.law import Joins, Moments, Writes, handover
from analysis.manifest import Traits
from analysis.run_folder import Run
from analysis.windows import Execution, JoinTimes, WriteTimes

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


def predict(run: Run, joins: JoinTimes, writes: WriteTimes) -> dict[int, Prediction]:
    """By cell, over all joins whose instants are known. Cells without any are left out.

    The interval is that of the gap's uncertainty, from its smallest possible to its largest, each
    widened by 1.96 standard deviations of the sum over joins, which are independent.
    """
    table = _join_table(run, joins)
    traits = run.manifest.traits
    return {
        int(cell): _with_traits(*_of_cell(run, writes, rows), traits[rows["connect"].iloc[0]])
        for cell, rows in table.groupby("cell")
    }


def _join_table(run: Run, joins: JoinTimes) -> pd.DataFrame:
    """A row a join: delays from the opening, and how far the window may be off."""
    row = pd.Index(run.connections["connection_id"]).get_indexer(run.joins["connection_id"])
    frame, found = run.connections.iloc[row], row >= 0
    opening = run.instants(frame, "opening_ns")
    # Streams have one place: reading and following are one cursor, there is no window to err in.
    none = run.joins["subscribe_sent_ns"].isna().to_numpy()
    table = pd.DataFrame(
        {
            "cell": frame["cell"].to_numpy(dtype=np.int64),
            "connect": frame["connect"].to_numpy(),
            "session_id": frame["session_id"].to_numpy(),
            "after_seq": frame["after_seq"].to_numpy(dtype=np.int64, na_value=0),
            "earliest": run.instants(frame, "join_earliest_ns"),
            "latest": run.instants(frame, "join_latest_ns"),
            "read": joins.read.at_ns - opening,
            "subscribe": joins.read.at_ns + joins.window_ns - opening,
            "read_off": np.where(none, 0.0, joins.read.off_ns),
            "subscribe_off": np.where(none, 0.0, joins.subscribe.off_ns),
        }
    )
    return table[found].dropna()


def _of_cell(run: Run, writes: WriteTimes, rows: pd.DataFrame) -> tuple[Expectation, Expectation]:
    """(lost, duplicated) of one cell's joins."""
    by_session = run.published.groupby("session_id").indices
    parts: dict[str, list[tuple[Moments, Moments]]] = {"mean": [], "small": [], "large": []}
    for session, joins in rows.groupby("session_id"):
        chunks = by_session.get(session, np.zeros(0, np.int64))
        for name, off in (("mean", 0), ("small", -1), ("large", 1)):
            known = _writes(run, writes, chunks, off)
            parts[name].append(handover(_joins(joins, off), known))
    sums = {name: (_sum(p[0] for p in ps), _sum(p[1] for p in ps)) for name, ps in parts.items()}
    # The larger the gap, the more is lost and the less is doubled.
    return (
        _expectation(sums["mean"][0], sums["small"][0], sums["large"][0]),
        _expectation(sums["mean"][1], sums["large"][1], sums["small"][1]),
    )


def _joins(table: pd.DataFrame, off: int) -> Joins:
    """`off`: -1, 0, 1 for the smallest, the estimated, the largest possible window."""
    return Joins(
        earliest_ns=table["earliest"].to_numpy(),
        latest_ns=table["latest"].to_numpy(),
        subscribe_delay_ns=(table["subscribe"] + off * table["subscribe_off"]).to_numpy(),
        read_delay_ns=(table["read"] - off * table["read_off"]).to_numpy(),
        after_seq=table["after_seq"].to_numpy(),
    )


def _writes(run: Run, writes: WriteTimes, chunks: Any, off: int) -> Writes:
    """Chunks whose writes have a known outcome; `off` as for the joins, for the lag."""
    chunks = chunks[run.published["error"].isna().to_numpy()[chunks]]
    chunks = chunks[~np.isnan(writes.lag_ns[chunks])]
    one_command = _same(writes.publish, writes.save)[chunks]
    publish_off = np.where(one_command, 0.0, off * writes.publish.off_ns[chunks])
    save_off = np.where(one_command, 0.0, off * writes.save.off_ns[chunks])
    return Writes(
        published_ns=writes.publish.at_ns[chunks] - publish_off,
        saved_ns=writes.save.at_ns[chunks] + save_off,
        seq=run.published["seq"].to_numpy(dtype=np.int64)[chunks],
    )


def _same(one: Execution, other: Execution) -> Any:
    return (one.earliest_ns == other.earliest_ns) & (one.latest_ns == other.latest_ns)


def _sum(parts: Any) -> tuple[float, float]:
    """(mean, variance) of the sum over independent joins."""
    moments = list(parts)
    return sum(float(m.mean.sum()) for m in moments), sum(float(m.variance.sum()) for m in moments)


def _expectation(
    middle: tuple[float, float], least: tuple[float, float], most: tuple[float, float]
) -> Expectation:
    low = least[0] - NORMAL_95 * float(np.sqrt(least[1]))
    high = most[0] + NORMAL_95 * float(np.sqrt(most[1]))
    return Expectation(middle[0], max(low, 0.0), high)


def _with_traits(holes: Expectation, overlap: Expectation, traits: Traits) -> Prediction:
    return Prediction(
        lost=Expectation() if traits.fills_gaps else holes,
        fetched=holes if traits.fills_gaps else Expectation(),
        duplicate=Expectation() if traits.merges else overlap,
    )
