"""How wide the handover gap or the risk window was, join by join."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from chunk7.analysis.figures.style import (
    BODY_PT,
    GREY,
    HOLE,
    LINESTYLES,
    OVERLAP,
    SMALL_PT,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
    shortened,
)

LABELS = {
    "gap_ms": "handover gap G = W + L (ms)",
    "window_ms": "risk window W = subscription - history read (ms)",
}
"""What can be shown, and its axis."""

LINE_IN = 0.155
"""Height of a line of a panel's legend."""

TAIL = 4.0
"""A distribution whose extremes lie this many times beyond its bulk gets a symlog axis."""


@figure_function
def windows(windows: pd.DataFrame, column: str = "gap_ms") -> Figure:
    """Cumulative share of the joins by gap or window: a panel a connect ordering, a line a cell.

    `windows`: `tables.windows`; `column`: one of LABELS. Right of zero is a hole, in which chunks
    are lost unless fetched later; left of it an overlap, in which they come twice unless merged.
    """
    names = list(dict.fromkeys(windows["connect"]))
    most_cells = max(windows.groupby("connect")["write"].nunique())
    panel_in = max(0.62, (most_cells + 1.6) * LINE_IN)
    figure, axes = new_figure(WIDTH_IN, len(names) * panel_in + 0.7, len(names))
    panels = np.atleast_1d(axes)
    _share_axis(panels, windows[column].to_numpy(dtype=float))
    styles = connect_styles(names)
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, windows[windows["connect"] == name], column, name, styles[name])
    _label_sides(panels[0])
    panels[-1].set_xlabel(LABELS[column])
    figure.supylabel("share of joins", fontsize=BODY_PT)
    return figure


def _share_axis(panels: Any, values: Any) -> None:
    """One axis for all, around zero; symlog where a few joins are far from all others."""
    known = np.abs(values[~np.isnan(values)])
    most = max(known.max(), 1e-3) if len(known) else 1.0
    bulk = np.quantile(known, 0.98) if len(known) else 1.0
    for panel in panels:
        if most > TAIL * bulk > 0:
            _fold_tails(panel, _round_up(bulk), most)
        reach = (1.6 if panel.get_xscale() == "symlog" else 1.08) * most
        panel.set_xlim(-reach, reach)
        panel.axvspan(0, reach, color=HOLE, linewidth=0)
        panel.axvspan(-reach, 0, color=OVERLAP, linewidth=0)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.tick_params(labelbottom=panel is panels[-1])


def _fold_tails(panel: Any, linear: float, most: float) -> None:
    """Linear up to `linear`, in decades beyond it."""
    panel.set_xscale("symlog", linthresh=linear, linscale=3)
    decades = [linear * 10**k for k in range(1, 9) if linear * 10**k <= 1.6 * most]
    ticks = [linear / 2, linear, *decades]
    panel.set_xticks([-tick for tick in reversed(ticks)] + [0, *ticks])
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_locator(NullLocator())


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(power * step for step in (1, 2, 5, 10) if power * step >= value))


def _draw(panel: Any, cells: pd.DataFrame, column: str, name: str, style: Style) -> None:
    for k, (write, cell) in enumerate(cells.groupby("write", sort=False)):
        known = cell.dropna(subset=column)
        median = known.loc[known["share"] == 0.5, column]
        # + 0.0: no minus on a zero
        middle = f"{round(median.iloc[0], 1) + 0.0:+.1f}" if len(median) else "none known"
        panel.plot(
            known[column],
            known["share"],
            color=style.colour,
            linestyle=LINESTYLES[k % len(LINESTYLES)],
            label=f"{shortened(str(write), 22)}  {middle}",
        )
    panel.set_ylim(-0.02, 1.02)
    panel.set_yticks([0, 0.5, 1])
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    panel.legend(
        title=shortened(name, 28),
        title_fontproperties={"weight": "bold", "size": SMALL_PT},
        alignment="left",
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        labelspacing=0.25,
        borderpad=0,
    )


def _label_sides(panel: Any) -> None:
    """What a value on either side of zero does, and what the legend's numbers are."""
    for at, shift_pt, align, text in (
        (0.5, 6, "left", "hole: chunks are missed →"),
        (0.5, -6, "right", "← overlap: chunks come twice"),
        (1.0, 8, "left", "write ordering, median (ms)"),
    ):
        panel.annotate(
            text,
            (at, 1),
            (shift_pt, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            ha=align,
            fontsize=SMALL_PT,
            color=GREY,
            style="italic",
        )
