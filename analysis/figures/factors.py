"""Loss against each of the bug report's four factors: live runs, and their simulation."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator, PercentFormatter

from chunk7.analysis.figures.style import (
    GREY,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
    shortened,
)

_LABELS = {
    "chunk-rate": "chunk rate, chunks/s per session",
    "store-latency": "store latency, ms each way",
    "node-work": "node work between its two steps, ms",
    "concurrent-joins": "users that join while answers stream",
}

_LOGARITHMIC_FROM = 8
"""Values that span so many times their least are doubled rather than increased."""

_MOST_TICKS = 8
"""As many values as have room for a number each."""


@figure_function
def factors(table: pd.DataFrame) -> Figure:
    """A panel a factor, in the order of the table; loss rate with its 95% interval.

    `table`: a row a point, columns as `analysis.sweep_table.read_sweep` gives them. Live points are
    markers with error bars, simulated ones a line with a band; points of runs that are not valid
    are hollow, and a simulation that is not valid is crossed through. A point without a rate is
    left out.
    """
    names = list(dict.fromkeys(table["factor"]))
    rows, columns = max(1, (len(names) + 1) // 2), min(2, max(1, len(names)))
    figure, found = new_figure(WIDTH_IN * columns / 2, 2.3 * rows + 0.7, rows, columns)
    panels: list[Axes] = list(np.atleast_1d(found).ravel())
    styles = _styles(table)
    for place, (panel, name) in enumerate(zip(panels, names, strict=False)):
        _panel(panel, table[table["factor"] == name], styles)
        panel.set_ylabel("connections that lost a chunk" if place % columns == 0 else "")
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    keys = _in_columns(_cell_keys(styles), list(_kind_keys(table)), columns)
    figure.legend(handles=keys, loc="outside lower center", ncols=columns)
    return figure


def _styles(table: pd.DataFrame) -> dict[tuple[str, str], Style]:
    """By cell: the style of its connect ordering, or one of its own if another cell has that."""
    cells = list(dict.fromkeys(zip(table["connect"], table["write"], strict=True)))
    taken: dict[str, tuple[str, str]] = {}
    for connect, write in cells:
        name = connect if connect not in taken else f"{connect} x {write}"
        taken[name] = (connect, write)
    styles = connect_styles(taken)
    return {cell: styles[name] for name, cell in taken.items()}


def _panel(panel: Axes, points: pd.DataFrame, styles: dict[tuple[str, str], Style]) -> None:
    for (connect, write), style in styles.items():
        of_cell = points[(points["connect"] == connect) & (points["write"] == write)]
        of_cell = of_cell[of_cell["loss_rate"].notna()].sort_values("value")
        _simulated(panel, of_cell[of_cell["by"] == "simulation"], style)
        _live(panel, of_cell[of_cell["by"] == "live"], style)
    _axes(panel, points)


def _simulated(panel: Axes, points: pd.DataFrame, style: Style) -> None:
    x = points["value"].to_numpy(dtype=float)
    low, high = (points[f"loss_rate_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    if len(x) == 0:
        return
    panel.fill_between(x, low, high, color=style.colour, alpha=0.2, linewidth=0)
    panel.plot(
        x,
        points["loss_rate"],
        color=style.colour,
        linestyle=style.linestyle,
        label="simulation",
    )
    against = points[~points["valid"].astype(bool)]
    panel.plot(against["value"], against["loss_rate"], "x", color=style.colour, label="doubtful")


def _live(panel: Axes, points: pd.DataFrame, style: Style) -> None:
    for valid, of_kind in points.groupby(points["valid"].astype(bool)):
        rate = of_kind["loss_rate"].to_numpy(dtype=float)
        low, high = (of_kind[f"loss_rate_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
        panel.errorbar(
            of_kind["value"].to_numpy(dtype=float),
            rate,
            # rounding may put an interval's end a hair inside its rate
            yerr=np.maximum([rate - low, high - rate], 0),
            fmt=style.marker,
            color=style.colour,
            markerfacecolor=style.colour if valid else "white",
            elinewidth=0.9,
            capsize=1.8,
            label="live" if valid else "not valid",
            zorder=3,
            clip_on=False,
        )


def _axes(panel: Axes, points: pd.DataFrame) -> None:
    name, unit = str(points["factor"].iloc[0]), str(points["unit"].iloc[0])
    values = sorted({float(value) for value in points["value"]})
    panel.set_xlabel(_LABELS.get(name, f"{name}, {unit}"))
    if 0 < _LOGARITHMIC_FROM * values[0] <= values[-1]:
        panel.set_xscale("log")
    if len(values) <= _MOST_TICKS:
        panel.xaxis.set_minor_locator(NullLocator())
        panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.set_ylim(-0.03, 1)  # what loses nothing is a line of its own, above the axis
    panel.yaxis.set_major_formatter(PercentFormatter(1))
    panel.grid(axis="y")


def _cell_keys(styles: dict[tuple[str, str], Style]) -> list[Any]:
    return [
        Line2D(
            [],
            [],
            color=style.colour,
            linestyle=style.linestyle,
            marker=style.marker,
            label=f"{shortened(connect, 28)} x {shortened(write, 20)}",
        )
        for (connect, write), style in styles.items()
    ]


def _in_columns(cells: list[Any], kinds: list[Any], columns: int) -> list[Any]:
    """The keys in the order in which a legend fills its columns: cells in one, kinds in the other.

    The shorter column is filled up with keys that show nothing.
    """
    if columns == 1:
        return [*cells, *kinds]
    missing = len(kinds) - len(cells)
    nothing = [Line2D([], [], linestyle="none", label=" ") for _ in range(abs(missing))]
    return [*cells, *nothing, *kinds] if missing > 0 else [*cells, *kinds, *nothing]


def _kind_keys(table: pd.DataFrame) -> Iterable[Any]:
    """What marks and lines mean, as far as they are there."""
    live, valid = table["by"] == "live", table["valid"].astype(bool)
    grey: dict[str, Any] = {"color": GREY, "linestyle": "none"}
    if (live & valid).any():
        yield Line2D([], [], marker="o", label="live run, 95% interval", **grey)
    if (live & ~valid).any():
        yield Line2D(
            [], [], marker="o", markerfacecolor="white", label="live run that is not valid", **grey
        )
    if (~live).any():
        yield Patch(color=GREY, alpha=0.35, label="simulation (line), 95% interval")
    if (~live & ~valid).any():
        yield Line2D([], [], marker="x", label="simulation by a run that is not valid", **grey)
