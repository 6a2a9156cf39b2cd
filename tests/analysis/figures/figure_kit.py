"""Literal tables for the figures, and what can be read off a figure."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from chunk7.analysis.figures.style import settings

BUG = ("history_then_subscribe", "publish_then_save")
FIX = ("subscribe_then_history", "atomic_lua")
OWN = ("ordner/sehr_lang/meine_ordnung_für_große_läufe.py:erst_$lesen_{dann}_abo", "b.py:漢字")


def named(cell: tuple[str, str]) -> dict[str, Any]:
    """The columns by which every table names a cell."""
    return {"name": " x ".join(cell), "connect": cell[0], "write": cell[1]}


def many(count: int) -> list[tuple[str, str]]:
    """So many cells: five write orderings each of known, own and oddly named connect orderings."""
    connects = [BUG[0], FIX[0], "redis_streams", OWN[0], "a.py:b", "c.py:d", "e.py:f", "g.py:h"]
    writes = [BUG[1], FIX[1], "atomic_multi", "save_then_publish", OWN[1]]
    return [(connects[k // 5 % 8], writes[k % 5]) for k in range(count)]


def texts(drawn: Figure | Axes) -> list[str]:
    """Everything that is written in a figure or in one of its axes."""
    return [t.get_text() for t in drawn.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def cut_off(figure: Figure) -> list[str]:
    """Texts that reach beyond the edge of a figure that has been drawn."""
    edge, hidden = figure.bbox.padded(2), _unseen_ticks(figure)
    with settings():
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text() and text not in hidden
        ]
    return [
        text
        for text, box in boxes
        if not (edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1)
    ]


def _unseen_ticks(figure: Figure) -> list[Text]:
    """Labels of ticks beyond the limits of their axis."""
    return [
        tick.label1
        for axes in figure.axes
        for axis, ends in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick in axis.get_major_ticks()
        if not min(ends) <= tick.get_loc() <= max(ends)
    ]


def marks(axes: Axes, label: str | None = None) -> list[tuple[float, float, str, bool]]:
    """(x, y, marker, filled) of each line that is a single mark."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), str(line.get_marker()),
         line.get_markerfacecolor() not in ("white", "none"))
        for line in axes.lines
        if len(line.get_xdata()) == 1 and label in (None, line.get_label())
    ]  # fmt: skip


def rate(
    cell: tuple[str, str], lossy: int, connections: int, low: float, high: float
) -> dict[str, Any]:
    """A row of `tables.cells`, as far as a figure reads it."""
    share = lossy / connections if connections else None
    return named(cell) | {
        "connections": connections,
        "lossy_connections": lossy,
        "chunks_expected": 20 * connections,
        "chunks_undetermined": 0,
        "loss_rate": share,
        "loss_rate_low": low if connections else None,
        "loss_rate_high": high if connections else None,
    }


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows)
