"""The orderings of one run, compared pair by pair on the joins that they have in common.

All cells of a run meet the same schedule: a user's k-th join comes at the same moment of the same
answer in each. Two cells' connections are therefore pairs, and only pairs that differ say which
ordering is better. What remains between the cells is the machine's mood: they ran one after
another. `chunk7.analysis.run_comparison` compares runs.
"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.statistics.differences import Difference, mean_paired, median_paired
from chunk7.analysis.statistics.paired import compare_paired, holm
from chunk7.analysis.study import Study
from chunk7.delivery.errors import UsageError

ALPHA = 0.05
"""How often orderings that do not differ may be said to, in a metric's whole family of pairs."""

NO_EVIDENCE, NOT_VALID = "no evidence", "run not valid"

METRICS = {
    "loss_rate": "loses more", "duplicates": "doubles more", "join_ms": "joins more slowly",
}  # fmt: skip
"""What `compare_orderings` compares, and what is said of the greater one."""


def compare_orderings(study: Study, baseline: str | None = None) -> pd.DataFrame:
    """Every pair of a run's cells; with `baseline`, a cell's name, only the others against it.

    A row a pair and metric (METRICS), columns: metric; a, b, the cells' names; pairs, joins that
    both know; value_a, value_b; difference = a - b with its 95% interval low, high; only_a,
    only_b, pairs in which only that one lost something (NaN for other metrics); p_value;
    p_adjusted for all pairs of the metric (Holm); verdict: 'A loses more', 'B doubles more', ...,
    'no evidence', or 'run not valid' throughout.

    | metric | values | difference, interval and test |
    |---|---|---|
    | loss_rate | lossy / connections | of the shares, Newcombe's paired, McNemar's exact |
    | duplicates | chunks a connection | mean of the pairs' differences, Student's t |
    | join_ms | medians | median of the pairs' differences, by ranks, sign test |

    A verdict needs p_adjusted below ALPHA and an interval without 0. Pairs of one session share its
    chunks: for the intervals of the first two metrics they count as what they are worth
    (`statistics.paired`).

    Raises UsageError for a baseline that the run does not have.
    """
    table = compare_cells(study.connections, baseline)
    return table if study.summary.valid else table.assign(verdict=NOT_VALID)


def compare_cells(connections: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """`compare_orderings` of a frame like `Study.connections`: its columns cell, name, user, turn,
    session_id, lost, duplicate and join_ms."""
    known = connections[connections["user"] >= 0]
    names = known.drop_duplicates("cell").set_index("cell")["name"].sort_index().to_dict()
    if baseline is not None and baseline not in names.values():
        raise UsageError(f"baseline {baseline!r}: one of {', '.join(names.values())}")
    values = {
        column: known.pivot(index=["user", "turn"], columns="cell", values=column)
        for column in ("lost", "duplicate", "join_ms", "session_id")
    }
    pairs = [
        (a, b) if names[b] != baseline else (b, a)
        for a, b in combinations(names, 2)
        if baseline in (None, names[a], names[b])
    ]
    rows = [
        {"metric": metric, "a": names[a], "b": names[b]} | found
        for metric, column in (("loss_rate", "lost"), ("duplicates", "duplicate"), ("join_ms",) * 2)
        for a, b in pairs
        if (found := _pair(metric, values[column][a], values[column][b], values["session_id"][a]))
    ]
    return _judged(pd.DataFrame(rows, columns=_COLUMNS))


_COLUMNS = [
    "metric", "a", "b", "pairs", "value_a", "value_b", "difference", "low", "high", "only_a",
    "only_b", "p_value",
]  # fmt: skip


def _pair(metric: str, one: Any, other: Any, session: Any) -> dict[str, Any]:
    """A metric of two cells, each of the shape (joins,); empty where they share no join."""
    both = (one.notna() & other.notna()).to_numpy()
    a, b = one.to_numpy(dtype=float)[both], other.to_numpy(dtype=float)[both]
    if not len(a):
        return {}
    sessions = session.to_numpy()[both].astype(str)
    row: dict[str, Any] = {"pairs": len(a), "only_a": np.nan, "only_b": np.nan}
    if metric == "loss_rate":
        found = compare_paired(a > 0, b > 0, sessions=sessions)
        row |= {"only_a": found.only_first, "only_b": found.only_second}
        return row | {"value_a": found.first, "value_b": found.second} | _difference(found)
    middle = np.mean if metric == "duplicates" else np.median
    between = (
        mean_paired(a, b, sessions=sessions) if metric == "duplicates" else median_paired(a, b)
    )
    return row | {"value_a": middle(a), "value_b": middle(b)} | _difference(between)


def _difference(found: Any) -> dict[str, float]:
    return {name: getattr(found, name) for name in Difference.__dataclass_fields__}


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    table["p_adjusted"] = np.nan
    for _, family in table.groupby("metric"):
        table.loc[family.index, "p_adjusted"] = holm(family["p_value"].to_numpy(dtype=float))
    table["verdict"] = [
        f"{'A' if row.difference > 0 else 'B'} {METRICS[row.metric]}"
        if row.p_adjusted < ALPHA and not row.low <= 0 <= row.high
        else NO_EVIDENCE
        for row in table.itertuples()
    ]
    return table
