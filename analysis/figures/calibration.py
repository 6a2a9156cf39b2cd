"""Whether the law holds connection by connection: bins of those it predicts alike."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chunk7.analysis.figures.predicted import KINDS
from chunk7.analysis.figures.style import (
    BLUE,
    GREY,
    SMALL_PT,
    VERMILLION,
    WIDTH_IN,
    figure_function,
    new_figure,
)


@figure_function
def calibration(calibration: pd.DataFrame) -> Figure:
    """A panel a kind, a mark a bin: chunks per connection, measured against predicted.

    `calibration`: `tables.calibration`. Bars are 95% intervals of what was measured; a bin whose
    bar misses the diagonal is a cross. At 95%, one in twenty may.
    """
    figure, panels = new_figure(WIDTH_IN, WIDTH_IN / 3 + 0.4, 1, len(KINDS))
    for panel, (kind, label) in zip(panels, KINDS.items(), strict=True):
        bins = calibration[calibration["kind"] == kind]
        top = 1.08 * max(bins["high"].max(), bins["predicted"].max()) if len(bins) else 0.0
        top = top if top > 0 else 1.0
        panel.plot([0, top], [0, top], color=GREY, linewidth=0.8, zorder=1)
        for row in bins.to_dict("records"):
            _draw(panel, row)
        panel.set_xlim(0, top)
        panel.set_ylim(0, top)
        panel.locator_params(nbins=5)
        panel.set_title(label, loc="left", fontweight="bold")
        panel.set_xlabel("predicted (chunks per connection)")
        panel.text(
            0.03, 0.97, f"{int(bins['connections'].sum()):,} connections", va="top",
            transform=panel.transAxes, fontsize=SMALL_PT, color=GREY, style="italic",
        )  # fmt: skip
    panels[0].set_ylabel("measured (chunks per connection)")
    _explain(figure)
    return figure


def _draw(panel: Any, row: dict[str, Any]) -> None:
    fits = row["low"] <= row["predicted"] <= row["high"]
    colour, marker = (BLUE, "o") if fits else (VERMILLION, "X")
    panel.plot([row["predicted"]] * 2, [row["low"], row["high"]], color=colour, linewidth=1.0)
    panel.plot(row["predicted"], row["measured"], marker, color=colour, clip_on=False, zorder=3,
               label="fits" if fits else "misses")  # fmt: skip


def _explain(figure: Figure) -> None:
    keys = [
        Line2D([], [], color=BLUE, marker="o", label="bin of connections, 95% interval"),
        Line2D([], [], color=VERMILLION, marker="X", label="bin whose interval misses the law"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2)
