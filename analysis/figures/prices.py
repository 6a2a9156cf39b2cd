"""What each cell costs its clients and its store."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chunk7.analysis.figures.rows import group_rows, label_rows
from chunk7.analysis.figures.style import (
    GREY,
    SMALL_PT,
    WIDTH_IN,
    Style,
    connect_styles,
    figure_function,
    new_figure,
)


@dataclass(frozen=True, slots=True)
class Price:
    """A panel: its heading, and the column of the table; `p95`: one more, beside a median."""

    heading: str
    column: str
    p95: str | None = None


PANELS = (
    Price("duplicates\n/connection", "duplicates"),
    Price("out of order\n/connection", "out_of_order"),
    Price("fetched\n/connection", "fetched"),
    Price("join p50, p95\n(ms)", "join_ms_p50", "join_ms_p95"),
    Price("latency p50, p95\n(ms)", "chunk_latency_ms_p50", "chunk_latency_ms_p95"),
    Price("store memory\n(bytes/chunk)", "memory_bytes_per_chunk"),
    Price("commands\n/connection", "commands_per_connection"),
)


@figure_function
def prices(prices: pd.DataFrame) -> Figure:
    """A row a cell, a panel a price, each with its number.

    `prices`: `tables.prices`. Bars for counts, a mark at the median and a line to the p95 for
    times. What was not measured says so, and has no bar.
    """
    rows = group_rows(list(prices["connect"]))
    figure, panels = new_figure(WIDTH_IN, rows.height_in + 0.6, 1, len(PANELS))
    columns = [name for panel in PANELS for name in (panel.column, panel.p95) if name]
    table = prices.astype(dict.fromkeys(columns, float))
    styles = [connect_styles(table["connect"])[name] for name in table["connect"]]
    for place, (panel, price) in enumerate(zip(panels, PANELS, strict=True)):
        label_rows(panel, rows, list(table["write"]), headings=place == 0)
        panel.set_title(price.heading, fontsize=SMALL_PT, loc="left")
        panel.tick_params(bottom=False, labelbottom=False, labelleft=place == 0)
        panel.spines[:].set_visible(False)
        # Headings run on through the panels: nothing may cover or cross them.
        panel.patch.set_visible(False)
        zero = [0] * len(rows.at)
        panel.vlines(zero, rows.at - 0.5, rows.at + 0.5, color="black", linewidth=0.6)
        most = table[price.p95 or price.column].max()
        panel.set_xlim(0, (2.5 if price.p95 else 1.9) * most if most > 0 else 1)
        for at, cell, style in zip(rows.at, table.to_dict("records"), styles, strict=True):
            _draw(panel, at, cell, price, style)
    _explain(figure)
    return figure


def _draw(panel: Any, at: float, cell: dict[str, Any], price: Price, style: Style) -> None:
    value, end = cell[price.column], cell[price.p95 or price.column]
    room = panel.get_xlim()[1]
    if pd.isna(value):
        panel.text(0.02 * room, at, "not measured", va="center", fontsize=SMALL_PT - 1,
                   color=GREY, style="italic").set_in_layout(False)  # fmt: skip
        return
    if price.p95:
        panel.plot([value, end], [at, at], color=style.colour, marker="|", markevery=[1])
        panel.plot(value, at, style.marker, color=style.colour, zorder=3)
        text = f"{_number(value)}, {_number(end)}"
    else:
        panel.barh(at, value, height=0.55, color=style.colour)
        text = _number(value)
    panel.annotate(
        text, (end, at), (4, 0), textcoords="offset points", va="center", fontsize=SMALL_PT - 1
    ).set_in_layout(False)


def _number(value: float) -> str:
    """Three digits, no more after the point than mean something to a reader."""
    if value == 0 or value >= 99.5:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.95 else f"{value:#.2g}"


def _explain(figure: Figure) -> None:
    keys = [
        Line2D([], [], color=GREY, marker="o", linestyle="", label="median"),
        Line2D([], [], color=GREY, marker="|", linestyle="-", label="to the 95th percentile"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=2)
