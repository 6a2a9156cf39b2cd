"""Other servers that took the store's place, and which lost chunks went with the one before.

A server that comes back with less than it had shows in two ways: histories lack what was saved, and
numbers are given out that were given out before. docs/verdicts.md has the rules.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.run_folder import Instants, Run
from chunk7.analysis.verdicts import Bits, Ints


@dataclass(frozen=True, slots=True)
class Replacement:
    """`OLD -> NEW` by their run ids, and when each process found the new one, in ns since the
    run's origin."""

    servers: str
    found_ns: Mapping[str, float]

    @property
    def first_ns(self) -> float:
        """When the first process found it."""
        return min(self.found_ns.values())

    def since_ns(self, processes: Any) -> Instants:
        """From when each of the processes, shape (processes,), had to do with the new server."""
        found = pd.Series(processes, dtype=object).map(dict(self.found_ns))
        since_ns: Instants = found.fillna(self.first_ns).to_numpy(dtype=float)
        return since_ns


def replacements(run: Run) -> list[Replacement]:
    """Those of a run, by time. Two servers may change places more than once."""
    events = run.events[run.events["kind"] == "store_replaced"]
    if events.empty:
        return []
    events = events.assign(at=run.instants(events, "at_ns")).dropna(subset=["detail", "at"])
    events = events.sort_values("at", kind="stable")
    again = events.groupby(["process", "detail"]).cumcount()
    found: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for process, servers, at_ns, count in zip(
        events["process"], events["detail"], events["at"], again, strict=True
    ):
        found[str(servers), int(count)][str(process)] = float(at_ns)
    return [Replacement(servers, by_process) for (servers, _), by_process in found.items()]


def lost_with_a_store(
    run: Run, chunk: Ints, who: Ints, join: Ints, t: Mapping[str, Any]
) -> dict[str, Any]:
    """Of lost chunks, rows of `Run.published`, lost by the connections `who` at the joins `join`
    (-1: none), all of the shape (losses,): which went with a server, and which have a number that
    was given out again. `t` has the columns of `LossTable` on chunks and joins."""
    went, again = np.zeros(len(chunk), bool), np.zeros(len(chunk), bool)
    nodes = np.append(run.joins["process"].to_numpy(dtype=object), "")[join]
    for replacement in replacements(run):
        node_ns = replacement.since_ns(nodes)
        numbers = _numbers(run, replacement).iloc[chunk]
        lacking = (
            (t["history_count"] == 0)
            | (t["history_last_seq"] < t["seq"])
            | (numbers["first_after"].to_numpy() <= t["seq"])
        )
        since_ns = numbers["since_ns"].to_numpy()
        went |= (t["save_done_ns"] <= since_ns) & (t["read_sent_ns"] >= node_ns) & lacking
        again |= _given_again(run, numbers, node_ns, who, t)
    return {"went_with_store": went, "number_came_again": again}


def hidden_by_numbers(
    run: Run, forgotten_ns: float, chunk: Ints, who: Ints, t: Mapping[str, Any]
) -> Bits:
    """Which lost chunks have a number that was given out again after the store, still the same, had
    forgotten its counters. Shapes and `t` as for `lost_with_a_store`."""
    forgotten = Replacement("", {"": forgotten_ns})
    numbers = _numbers(run, forgotten).iloc[chunk]
    return _given_again(run, numbers, np.full(len(chunk), forgotten_ns), who, t)


def _given_again(
    run: Run, numbers: pd.DataFrame, node_ns: Instants, who: Ints, t: Mapping[str, Any]
) -> Bits:
    """Of each loss: its number had been given out before, and its client was there then."""
    opening_ns = run.instants(run.connections, "opening_ns")[who]
    followed = ~(t["publish_sent_ns"] < t["subscribe_latest_ns"])
    saved_first = t["save_done_ns"] <= t["read_sent_ns"]
    given = numbers["after"].to_numpy() & (t["seq"] <= numbers["last_before"].to_numpy())
    again: Bits = given & (opening_ns < node_ns) & (followed | saved_first)
    return again


def _numbers(run: Run, replacement: Replacement) -> pd.DataFrame:
    """Of each chunk: since_ns, from when its producer wrote to the new server; after, whether it
    was begun since then; last_before and first_after, its session's numbers, NaN for none."""
    since_ns = replacement.since_ns(run.published["process"])
    after = run.instants(run.published, "started_ns") > since_ns
    seq = run.published["seq"].astype(float)
    seq = seq.where(seq > 0)
    session = run.published["session_id"]
    return pd.DataFrame(
        {
            "since_ns": since_ns,
            "after": after,
            "last_before": seq.where(~after).groupby(session).transform("max"),
            "first_after": seq.where(after).groupby(session).transform("min"),
        }
    )
