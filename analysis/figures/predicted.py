"""What was lost, fetched and doubled, held against what the law predicts."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chunk7.analysis.figures.style import (
    BLACK,
    GREY,
    SMALL_PT,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
    shortened,
)

KINDS = {
    "lost": "chunks lost",
    "fetched": "chunks fetched later",
    "duplicate": "duplicate chunks",
}
"""The panels, by `kind`."""


APART = 0.13
"""Of a panel's height, between names that do not cover each other."""

ROUNDING = 1e-6
"""Chunks by which an interval's end may be off because floats are."""

_PREDICTION = ("predicted", "predicted_low", "predicted_high")


@figure_function
def predicted(predicted: pd.DataFrame) -> Figure:
    """A panel a kind, a mark a cell; on the diagonal, the law is exact.

    `predicted`: `tables.predicted`. The bar is the prediction's 95% interval. A cell that measured
    outside it is ringed and named. Both axes are square roots, in which chance spreads counts
    alike, small or large.
    """
    table = predicted.astype(dict.fromkeys(("measured", *_PREDICTION), float))
    styles = connect_styles(table["connect"])
    legend_in = 0.15 * (len(styles) // 3 + 1)
    figure, panels = new_figure(WIDTH_IN, WIDTH_IN / 3 + 0.25 + legend_in, 1, len(KINDS))
    for panel, (kind, label) in zip(panels, KINDS.items(), strict=True):
        cells = table[table["kind"] == kind].dropna(subset=["measured", "predicted"])
        _square_root_axes(panel, cells)
        _draw(panel, cells, styles)
        panel.set_title(label, loc="left", fontweight="bold")
        panel.set_xlabel("predicted (chunks)")
    panels[0].set_ylabel("measured (chunks)")
    keys = [
        Line2D([], [], color=style.colour, marker=style.marker, linestyle="", label=shortened(name))
        for name, style in styles.items()
    ]
    keys.append(
        Line2D([], [], color=BLACK, marker="o", markerfacecolor="none", markersize=9, linestyle="",
               label="outside the interval")
    )  # fmt: skip
    figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def outside(cells: pd.DataFrame) -> Any:
    """Whether each cell measured a number that its interval does not hold; shape (cells,)."""
    low, high = cells["predicted_low"] - ROUNDING, cells["predicted_high"] + ROUNDING
    return ~cells["measured"].between(low, high).to_numpy()


def _square_root_axes(panel: Any, cells: pd.DataFrame) -> None:
    known = cells[["measured", *_PREDICTION]].to_numpy()
    top = 1.15 * max(1.0, float(np.nanmax(known, initial=0.0)))
    functions = (lambda value: np.sqrt(np.maximum(value, 0)), np.square)
    panel.set_xscale("function", functions=functions)
    panel.set_yscale("function", functions=functions)
    ticks = _ticks(top)
    panel.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    panel.set_yticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    panel.set_xlim(0, top)
    panel.set_ylim(0, top)
    panel.plot([0, top], [0, top], color=GREY, linewidth=0.8, zorder=1)


def _ticks(top: float) -> list[float]:
    """0, and as many of 1, 2, 5, 10, ... up to `top` as a panel has room for."""
    steps = (10.0**power * step for power in range(12, -1, -1) for step in (5, 2, 1))
    ticks = [top * 2]
    for tick in steps:
        if tick <= top and np.sqrt(ticks[-1] / top) - np.sqrt(tick / top) > 0.16:
            ticks.append(tick)
    return [0.0, *sorted(tick for tick in ticks[1:] if tick / top > 0.02)]


def _draw(panel: Any, cells: pd.DataFrame, styles: dict[str, Style]) -> None:
    for cell in cells.to_dict("records"):
        style = styles[cell["connect"]]
        panel.plot(
            [cell["predicted_low"], cell["predicted_high"]],
            [cell["measured"]] * 2,
            color=style.colour,
            linewidth=1.0,
            clip_on=False,
        )
        panel.plot(
            cell["predicted"], cell["measured"], style.marker, color=style.colour, clip_on=False,
            zorder=3,
        )  # fmt: skip
    _mark_outside(panel, cells[outside(cells)])
    nothing = int(((cells["measured"] == 0) & (cells["predicted_high"] < 0.5)).sum())
    if nothing:
        _note(panel, f"{nothing} of {len(cells)} cells:\nnone, as predicted")


def _mark_outside(panel: Any, cells: pd.DataFrame) -> None:
    """Rings, and the names of those farthest off, as far as they do not cover each other."""
    named: list[float] = []
    far = (cells["measured"] - cells["predicted"]).abs().sort_values(ascending=False)
    for cell in cells.loc[far.index].to_dict("records"):
        panel.plot(
            cell["predicted"], cell["measured"], "o", markersize=9, markerfacecolor="none",
            markeredgecolor=BLACK, clip_on=False, zorder=4, label="outside",
        )  # fmt: skip
        at = np.sqrt(cell["measured"] / panel.get_ylim()[1])
        if all(abs(at - other) > APART for other in named):
            named.append(at)
            _name(panel, cell)


def _name(panel: Any, cell: dict[str, Any]) -> None:
    """Beside its mark, on the side where there is room."""
    left = cell["predicted"] > panel.get_xlim()[1] / 4
    panel.annotate(
        f"{shortened(cell['connect'], 24)}\n{shortened(cell['write'], 24)}",
        (cell["predicted"], cell["measured"]),
        (-8 if left else 8, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=SMALL_PT - 1,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
    ).set_in_layout(False)


def _note(panel: Any, text: str) -> None:
    panel.text(
        0.98, 0.05, text, transform=panel.transAxes, ha="right", fontsize=SMALL_PT - 1,
        color=GREY, style="italic",
    ).set_in_layout(False)  # fmt: skip
