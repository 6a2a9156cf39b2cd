"""Whether the law fits a run: every cell's measured chunks held against the predicted ones."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from chunk7.analysis.prediction import KINDS
from chunk7.analysis.statistics.fit import Agreement, fit
from chunk7.analysis.statistics.paired import holm
from chunk7.analysis.study import Study

ALPHA = 0.05
"""How often a law that holds everywhere may be said to disagree somewhere in a run."""

_COLUMNS = {
    "connections": "connections", "measured": "measured", "predicted": "expected", "low": "low",
    "high": "high", "ratio": "ratio", "ratio_low": "ratio_low", "ratio_high": "ratio_high",
    "p_value": "p_value",
}  # fmt: skip


def fits(study: Study) -> pd.DataFrame:
    """Measured beside expected, a row a cell and kind.

    Columns: name, connect, write, kind (one of KINDS, but see below);
    connections, those whose instants are known; measured and expected, chunks; low, high, the 95%
    prediction interval of measured; ratio, measured over expected, with ratio_low and ratio_high,
    NaN where nothing was expected; p_value, and p_adjusted for as many rows as there are (Holm);
    verdict, an Agreement. `disagrees` where p_adjusted < 0.05, so that of twenty runs in which the
    law holds everywhere at most one disagrees anywhere; a row that would disagree by itself and
    does not after the adjustment is `no evidence`.

    Orderings that fill gaps have a row for fetched and none for duplicate: a fetch that crosses a
    chunk still on its way doubles it, and the law does not speak of fetches' ways. All lost chunks
    are measured, whatever their cause: a node that died is outside the law, and shows as
    disagreement. `chunk7.analysis.statistics.fit.fit` explains the figures.
    """
    traits = study.run.manifest.traits
    rows = []
    for cell, ordering in enumerate(study.run.manifest.plan.cells):
        of_cell = study.connections[study.connections["cell"] == cell]
        for kind in KINDS:
            if _foretold(kind, traits[ordering.connect].fills_gaps):
                names = {
                    "name": ordering.name, "connect": ordering.connect, "write": ordering.write,
                    "kind": kind,
                }  # fmt: skip
                rows.append(names | _fit(of_cell, kind))
    table = pd.DataFrame(rows)
    adjusted = holm(table["p_value"].to_numpy())
    by_itself = table["verdict"] == Agreement.DISAGREES.value
    verdict = table["verdict"].mask(by_itself, Agreement.NO_EVIDENCE.value)
    verdict = verdict.mask(by_itself & (adjusted < ALPHA), Agreement.DISAGREES.value)
    return table.assign(p_adjusted=adjusted, verdict=verdict)


def _foretold(kind: str, fills_gaps: bool) -> bool:
    return kind == "lost" or (kind == "fetched") == fills_gaps


def _fit(connections: pd.DataFrame, kind: str) -> dict[str, Any]:
    names = [kind, *(f"{kind}_{what}" for what in ("expected", "variance", "least", "most"))]
    known = connections[names].dropna()
    found = asdict(fit(*(known[name].to_numpy(dtype=float) for name in names)))
    columns = {name: found[field] for field, name in _COLUMNS.items()}
    missing = {name: np.nan for name, value in columns.items() if value is None}
    return columns | missing | {"verdict": found["verdict"].value}
