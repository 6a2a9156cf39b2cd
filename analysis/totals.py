"""Several judged runs as one: what a load test came to over its rounds, and over its time.

Everything is worked out from the rows of single connections, so that quantiles are of raw values
and intervals of all connections together; nothing is averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.loss_rates import loss_rate_fields
from chunk7.analysis.prediction import expectation
from chunk7.analysis.results import COUNTS, sums
from chunk7.analysis.statistics.quantiles import quantiles
from chunk7.analysis.study import Study
from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import MOST_UNDETERMINED, Account, Explored, Quantiles
from chunk7.wire.live import Moment
from chunk7.wire.plan import Cell

_LAW = ("expected", "least", "least_variance", "most", "most_variance")
_COLUMNS = (
    *("connect", "write", "session_id", "join_ms", "window_ms", "gap_ms"),
    *COUNTS,
    *(f"lost_{name}" for name in _LAW),
)
_PAIR = ["connect", "write"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a judged run.

    `connections`: a row a connection that opened. Columns: connect, write, session_id,
        join_ms, window_ms, gap_ms, the COUNTS of a Study, lost_expected, lost_least,
        lost_least_variance, lost_most, lost_most_variance (as in Study.connections), opened_ns
        on the records' clock, and ended (bool): it stayed as long as it meant to, or until its
        server ended it.
    `causes`: lost chunks by cause. Columns: connect, write, cause, chunks.
    `explored`: as in the manifest.
    """

    connections: pd.DataFrame
    causes: pd.DataFrame
    explored: Mapping[str, Explored] = field(default_factory=dict)


def keep(study: Study) -> Kept:
    """What `totals` and `history` need of a judged run: a few numbers a connection.

    Of a client that was stopped before it meant to leave, a loss may be what nobody knows.
    """
    opened_ns = study.run.origin_ns + (study.connections["opened_s"] * 1e9).round()
    rows = study.run.connections.loc[study.connections.index]
    settle_ns = study.run.manifest.settle_ms * 1_000_000  # less than that changes no verdict
    stayed = (rows["closed_ns"] >= rows["leave_ns"] - settle_ns) | rows["by_server"]
    connections = study.connections[list(_COLUMNS)].assign(
        opened_ns=opened_ns.astype(np.int64), ended=stayed.fillna(False).astype(bool)
    )
    cells = study.run.manifest.plan.cells
    tally = study.losses.groupby(["cell", "cause"]).size()
    causes = pd.DataFrame(
        [
            (cells[cell].connect, cells[cell].write, cause, int(chunks))
            for (cell, cause), chunks in tally.items()
        ],
        columns=[*_PAIR, "cause", "chunks"],
    )
    return Kept(connections.reset_index(drop=True), causes, study.run.manifest.explored)


def totals(runs: Sequence[Kept]) -> list[Account]:
    """A total a pair, in the order in which they first appear; none without connections."""
    connections = _together([run.connections for run in runs])
    causes = _together([run.causes for run in runs])
    explored = {name: found for run in runs for name, found in run.explored.items()}
    return [
        _total(pair, rows, _tally(causes, pair), explored)
        for pair, rows in connections.groupby(_PAIR, sort=False)
    ]


def history(
    runs: Sequence[Kept], began_ns: int, width_s: float, most: int, running: bool = False
) -> list[Moment]:
    """The newest `most` pairs of bin and pair in which somebody connected, oldest first.

    Bins are `width_s` long and count from `began_ns`, on the records' clock. `running`: somebody
    may yet connect, so that the newest bin is not finished.
    """
    connections = _together([run.connections for run in runs])
    place = np.floor((connections["opened_ns"] - began_ns) / 1e9 / width_s)
    keys = ["bin", *_PAIR]
    grouped = connections.assign(bin=place).groupby(keys, sort=True)
    newest = sorted(grouped.groups, key=lambda key: key[0])[-most:]
    growing = newest[-1][0] if newest and running else None
    return [
        _moment(
            (key[0] + 0.5) * width_s,
            key[1:],
            connections.loc[grouped.groups[key]],
            key[0] == growing,
        )
        for key in newest
    ]


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    if filled:
        return pd.concat(filled, ignore_index=True)
    empty = pd.DataFrame(columns=[*_COLUMNS, "cause", "chunks"], dtype=object)
    return empty.assign(opened_ns=np.zeros(0, np.int64), ended=np.zeros(0, bool))


def _total(
    pair: Any, rows: pd.DataFrame, causes: dict[str, int], explored: Mapping[str, Explored]
) -> Account:
    known = rows.dropna(subset="lost_expected")
    law = expectation(*(float(known[f"lost_{name}"].sum()) for name in _LAW))
    return Account(
        connect=pair[0],
        write=pair[1],
        **_losses(rows),
        **sums(rows),
        chunks_lost_predicted=law.mean,
        chunks_lost_predicted_low=law.low,
        chunks_lost_predicted_high=law.high,
        window_ms=_quantiles(rows["window_ms"]),
        gap_ms=_quantiles(rows["gap_ms"]),
        join_ms=_quantiles(rows["join_ms"]),
        causes=causes,
        explored=explored.get(Cell(*pair).name),
    )


def _moment(at_s: float, pair: Any, rows: pd.DataFrame, growing: bool) -> Moment:
    window_ms = _quantiles(rows["window_ms"])
    return Moment(
        at_s=at_s,
        connect=pair[0],
        write=pair[1],
        **_losses(rows),
        chunks_lost=int(rows["lost"].sum()),
        window_ms_p50=window_ms.p50,
        window_ms_p95=window_ms.p95,
        finished=not growing and bool(rows["ended"].all()) and _is_known(rows),
    )


def _is_known(rows: pd.DataFrame) -> bool:
    """Those who were stopped in the middle leave chunks of which nobody can know."""
    return bool(rows["undetermined"].sum() <= MOST_UNDETERMINED * rows["expected"].sum())


def _losses(rows: pd.DataFrame) -> dict[str, Any]:
    fields = loss_rate_fields(rows["lost"], rows["session_id"])
    del fields["loss_rate_design_effect"]  # of a moment's few connections it is mostly noise
    return fields


def _tally(causes: pd.DataFrame, pair: Any) -> dict[str, int]:
    """Those that occurred, in the order of `Cause`."""
    of_pair = causes[(causes["connect"] == pair[0]) & (causes["write"] == pair[1])]
    chunks = of_pair.groupby("cause")["chunks"].sum()
    return {cause.value: int(chunks[cause.value]) for cause in Cause if cause.value in chunks}


def _quantiles(values: pd.Series) -> Quantiles:
    return Quantiles(*(quantiles(values.to_numpy(dtype=float)) or ()))
