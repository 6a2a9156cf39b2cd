"""Whether a cell lost evenly while it ran, or in fits."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from chunk7.analysis.figures.fault_marks import fault_key, mark_faults
from chunk7.analysis.figures.style import (
    SMALL_PT,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
    shortened,
)


@figure_function
def over_time(over_time: pd.DataFrame, faults: pd.DataFrame | None = None) -> Figure:
    """Loss rate by the moment of joining, with 95% intervals; cells are bands, in which they ran.

    `over_time`: `tables.over_time`. Marks without loss are hollow. A wide interval is a bin in
    which few joined. `faults`: `tables.fault_spans`, hatched in grey where there are any.
    """
    styles = connect_styles(over_time["connect"])
    has_faults = faults is not None and len(faults) > 0
    legend_in = 0.15 * -(-(len(styles) + has_faults) // 3)
    figure, axes = new_figure(WIDTH_IN, 3.2 + legend_in)
    spans = _spans(over_time)
    for shade, (name, span) in enumerate(spans.items()):
        cell = over_time[over_time["name"] == name]
        _band(axes, span, str(cell["write"].iloc[0]), shade % 2 == 0)
        _draw(axes, cell, styles[cell["connect"].iloc[0]])
    top = max(over_time["loss_rate_high"].max(), 0.01) if len(over_time) else 1.0
    if spans:
        axes.set_xlim(min(at for at, _ in spans.values()), max(at for _, at in spans.values()))
        mark_faults(axes, faults)
    axes.set_ylim(0, min(1.04 * top, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="y")
    axes.set_xlabel("time of joining (s since the run began)")
    axes.set_ylabel("connections that lost a chunk")
    keys: list[Artist] = [
        Line2D([], [], color=style.colour, marker=style.marker, linestyle="", label=shortened(name))
        for name, style in styles.items()
    ]
    if has_faults:
        keys.append(fault_key())
    figure.legend(handles=keys, loc="outside lower center", ncols=3)
    return figure


def _spans(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """By cell, from when to when its bins reach, in seconds."""
    half_s = table["width_s"] / 2
    ends = table.assign(first_s=table["at_s"] - half_s, last_s=table["at_s"] + half_s)
    ran = ends.groupby("name", sort=False).agg({"first_s": "min", "last_s": "max"})
    return {name: (row["first_s"], row["last_s"]) for name, row in ran.iterrows()}


def _band(axes: Any, span: tuple[float, float], write: str, shaded: bool) -> None:
    """The write ordering stands above, upright: there may be many."""
    axes.axvspan(*span, color="#EFEFEF" if shaded else "#FFFFFF", linewidth=0, zorder=0)
    axes.annotate(
        shortened(write, 24),
        (sum(span) / 2, 1),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="bottom",
        fontsize=SMALL_PT,
    )


def _draw(axes: Any, cell: pd.DataFrame, style: Style) -> None:
    low, high = (cell[f"loss_rate_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    at_s, rate = cell["at_s"].to_numpy(dtype=float), cell["loss_rate"].to_numpy(dtype=float)
    axes.vlines(at_s, low, high, color=style.colour, linewidth=1.0)
    for lost in (True, False):
        shown = (cell["lossy"].to_numpy() > 0) == lost
        if shown.any():
            axes.plot(
                at_s[shown],
                rate[shown],
                style.marker,
                color=style.colour,
                markerfacecolor=style.colour if lost else "white",
                clip_on=False,
                zorder=3,
            )
