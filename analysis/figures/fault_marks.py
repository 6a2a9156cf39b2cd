"""How the time of a fault looks on an axis of time: grey and hatched, so that no colour matters."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.patches import Patch

from chunk7.analysis.figures.style import GREY

_LOOK: dict[str, Any] = {
    "facecolor": "#D9D9D9",
    "edgecolor": "#A8A8A8",
    "hatch": "////",
    "linewidth": 0,
}
_LABEL = "a fault lasts"


def mark_faults(axes: Any, spans: pd.DataFrame | None) -> None:
    """Shade each of `tables.fault_spans` behind everything else, with a dashed line where it began.

    The axis keeps its limits: it should have them by now.
    """
    if spans is None:
        return
    left, right = axes.get_xlim()
    seen = spans[(spans["began_s"] <= right) & (spans["ended_s"] >= left)]
    with mpl.rc_context({"hatch.color": _LOOK["edgecolor"]}):
        for began_s, ended_s in zip(seen["began_s"], seen["ended_s"], strict=True):
            axes.axvspan(began_s, ended_s, **_LOOK, zorder=1)
            axes.axvline(began_s, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    axes.set_xlim(left, right)


def fault_key() -> Patch:
    """Its entry in a legend."""
    with mpl.rc_context({"hatch.color": _LOOK["edgecolor"]}):
        return Patch(**_LOOK, label=_LABEL)
