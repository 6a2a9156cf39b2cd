"""Lost chunks for the page: compact columns that its script draws, and the first few in words.

A run can lose very many. The page holds at most MOST of them, taken evenly from every cell and
cause, so that a rare cause is never crowded out; the page says how many it left out.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.report.words import CAUSES, NOTHING
from chunk7.analysis.study import Study
from chunk7.analysis.timelines import STEPS, loss_instants

MOST = 20_000
IN_WORDS = 20
"""Losses that can be unfolded without a script."""

_AT = ("accepted", "history", "welcome", "first_live", "closed")
_BETWEEN = ("read", "subscribe", "publish", "save")
_ORDER = {
    "accepted": "the node accepts the connection",
    "read": "the store executes the node's read of the history",
    "history": "the client has the history",
    "publish": "the store publishes this chunk",
    "save": "the store saves this chunk to the history",
    "subscribe": "the subscription takes effect at the store",
    "welcome": "the client is welcomed: the join is over",
    "first_live": "the first chunk reaches the client live",
    "closed": "the connection ends",
}
"""What happened, by column of `loss_instants`."""


@dataclass(frozen=True, slots=True)
class Told:
    """A lost chunk in words. `instants` are (T1 to T5 or '', what, ms since opening)."""

    title: str
    cell: str
    cause: str
    words: str
    instants: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Losses:
    """`total` were lost, `shown` of them are in `data`, a document for the page's script."""

    total: int
    shown: int
    data: dict[str, Any]
    told: list[Told]


def losses_of(study: Study, most: int = MOST, in_words: int = IN_WORDS) -> Losses:
    """The losses of a run, no more than `most`."""
    chosen = _evenly(study.losses, most)
    instants = loss_instants(study).loc[chosen.index]
    return Losses(
        total=len(study.losses),
        shown=len(chosen),
        data=_document(chosen, instants),
        told=[_told(chosen.loc[row], instants.loc[row]) for row in chosen.index[:in_words]],
    )


def _evenly(losses: pd.DataFrame, most: int) -> pd.DataFrame:
    """The first of each cell and cause, then the second of each, until there are `most`."""
    turn = losses.groupby(["cell", "cause"]).cumcount()
    chosen = turn.sort_values(kind="stable").index[:most]
    return losses.loc[chosen.sort_values()]


def _document(losses: pd.DataFrame, instants: pd.DataFrame) -> dict[str, Any]:
    """Columns of equal length; texts are indices into lists, instants whole microseconds."""
    texts, columns = {}, {}
    for column in ("name", "session_id", "node", "message_id", "cause"):
        codes, values = pd.factorize(losses[column].fillna(NOTHING))
        columns[column], texts[column] = codes.tolist(), [str(value) for value in values]
    for column in ("index", "seq"):
        columns[column] = losses[column].tolist()
    columns["connection"] = [str(value) for value in losses["connection_id"]]
    columns["published"] = _micro(losses["published_s"] * 1e3)
    for name in _AT:
        columns[name] = _micro(instants[f"{name}_ms"])
    for name in _BETWEEN:
        for end in ("", "_least", "_most"):
            columns[name + end] = _micro(instants[f"{name}{end}_ms"])
    for name in ("history_last_seq", "receivers"):
        columns[name] = _whole(instants[name])
    causes = [CAUSES.get(cause, (cause, "")) for cause in texts.pop("cause")]
    return {"texts": texts, "causes": causes, "columns": columns}


def _micro(values_ms: pd.Series) -> list[int | None]:
    return _whole(values_ms * 1e3)


def _whole(values: pd.Series) -> list[int | None]:
    numbers = values.to_numpy(dtype=float)
    return [round(value) if np.isfinite(value) else None for value in numbers.tolist()]


def _told(loss: "pd.Series[Any]", instants: "pd.Series[Any]") -> Told:
    at_ms: dict[Hashable, float] = {name: instants[f"{name}_ms"] for name in _ORDER}
    happened = sorted((at, str(name)) for name, at in at_ms.items() if np.isfinite(at))
    title, words = CAUSES.get(loss["cause"], (loss["cause"], ""))
    return Told(
        title=f"chunk {loss['seq']} of {loss['session_id']}, connection {loss['connection_id']}",
        cell=loss["name"],
        cause=title,
        words=words,
        instants=[(_label(name), _ORDER[name], f"{at:,.3f}") for at, name in happened],
    )


def _label(name: str) -> str:
    return STEPS["live" if name == "first_live" else name] if name != "closed" else ""
