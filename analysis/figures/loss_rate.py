"""How many connections lost something, cell by cell, and how sure that is."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from chunk7.analysis.figures.rows import group_rows, label_rows
from chunk7.analysis.figures.style import (
    GREY,
    SMALL_PT,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
    percent,
)
from chunk7.wire.account import MOST_UNDETERMINED


@figure_function
def loss_rate(cells: pd.DataFrame) -> Figure:
    """A row a cell: the share of its connections that lost a chunk, with its 95% interval.

    `cells`: `tables.cells`. A cell that lost nothing is a hollow mark at zero with a dashed line
    up to its bound; a cell without connections, or with nothing lost and too much undetermined,
    has no mark and says so.
    """
    rows = group_rows(list(cells["connect"]))
    figure, axes = new_figure(WIDTH_IN, rows.height_in + 0.75)
    label_rows(axes, rows, list(cells["write"]))
    rates = cells[["loss_rate", "loss_rate_low", "loss_rate_high"]].astype(float)
    axes.set_xlim(0, _limit(float(rates["loss_rate_high"].max())))
    styles = connect_styles(cells["connect"])
    for k, cell in enumerate(cells.assign(**rates).to_dict("records")):
        _draw(axes, rows.at[k], cell, styles[cell["connect"]])
    _label_axis(figure, axes)
    return figure


def _limit(highest: float) -> float:
    """Where the axis ends, in shares: a little beyond the highest interval."""
    return min(highest * 1.06, 1.0) if highest > 0 else 1.0


def _draw(axes: Any, at: float, cell: dict[str, Any], style: Style) -> None:
    if cell["connections"] == 0:
        _say(axes, at, "no connections")
        return
    lost = cell["lossy_connections"] > 0
    if not lost and cell["chunks_undetermined"] > MOST_UNDETERMINED * cell["chunks_expected"]:
        _say(axes, at, "cannot be judged")
        return
    low, high = (cell["loss_rate_low"] if lost else 0.0), cell["loss_rate_high"]
    axes.plot(
        [low, high],
        [at, at],
        color=style.colour,
        linestyle="-" if lost else (0, (2, 1.5)),
        marker="|",
        markevery=[0, 1] if lost else [1],
        solid_capstyle="butt",
    )
    axes.plot(
        cell["loss_rate"],
        at,
        style.marker,
        color=style.colour,
        markerfacecolor=style.colour if lost else "white",
        clip_on=False,
        zorder=3,
    )
    _say(axes, at, f"{cell['lossy_connections']}/{cell['connections']}")
    _say(axes, at, _in_words(cell, lost), 48)


def _in_words(cell: dict[str, Any], lost: bool) -> str:
    low, rate, high = (
        percent(cell[name]) for name in ("loss_rate_low", "loss_rate", "loss_rate_high")
    )
    return f"{rate} ({low} to {high})" if lost else f"0 (at most {high})"


def _say(axes: Any, at: float, text: str, right_pt: float = 6) -> None:
    """So far to the right of the axis."""
    axes.annotate(
        text,
        (1, at),
        (right_pt, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
    )


def _label_axis(figure: Any, axes: Any) -> None:
    axes.set_xlabel("connections that lost a chunk")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    axes.grid(axis="x")
    some = Line2D([], [], color=GREY, marker="o", label="lost some: measured, 95% interval")
    none = Line2D([], [], color=GREY, marker="o", markerfacecolor="white",
                  linestyle=(0, (2, 1.5)), label="lost none: up to the 95% bound")  # fmt: skip
    figure.legend(handles=[some, none], loc="outside lower center", ncols=2)
