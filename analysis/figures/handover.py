"""The handover drawn in time, for the figures of one connection and of one lost chunk.

Two lanes stand for the store. What the client gets of the history is what was saved before T1, and
of the channel what is published after T4: both are filled. A chunk is a line from its publication
(T2) on the channel down to its save (T3) in the history; if it touches neither filling, it is lost.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chunk7.analysis.figures.style import GREY, HOLE, OVERLAP, SMALL_PT, VERMILLION

COVERED, COVERED_TEXT = "#CFE0D8", "#3C6B57"
"""What the client gets."""

CHAR_IN, PLOT_IN = 0.056, 6.0
"""Width of a letter of a label, and of the axes: near enough to keep labels apart."""

ROW_PT = 10
"""From one row of labels to the next: their letters, and a little air."""

LANE = 0.3
"""Half a lane's height, in lanes."""


def shade_window(axes: Any, read_ms: float, subscribe_ms: float) -> None:
    """From read to subscription: a hole, or with the subscription first an overlap."""
    if np.isnan(read_ms) or np.isnan(subscribe_ms):
        return
    colour = HOLE if subscribe_ms > read_ms else OVERLAP
    axes.axvspan(*sorted((read_ms, subscribe_ms)), color=colour, linewidth=0, zorder=0)


def cover(axes: Any, lane: float, from_ms: float, to_ms: float, label: str) -> None:
    """Fill a lane where the client gets what is in it; nothing if an end is unknown."""
    if np.isnan(from_ms + to_ms) or to_ms <= from_ms:
        return
    axes.fill_between(
        [from_ms, to_ms], lane - LANE, lane + LANE, color=COVERED, linewidth=0, zorder=1
    )
    at_edge = from_ms <= axes.get_xlim()[0]
    axes.annotate(label, (from_ms if at_edge else to_ms, lane + LANE),
                  (4 if at_edge else -4, 2), textcoords="offset points",
                  ha="left" if at_edge else "right", fontsize=SMALL_PT - 1, color=COVERED_TEXT,
                  style="italic").set_in_layout(False)  # fmt: skip


def instant(
    axes: Any, lane: float, bounds_ms: Sequence[float], marker: str, colour: str, name: str
) -> None:
    """A mark at (estimate, least, most), with a bar over where the store may have executed it."""
    at, least, most = bounds_ms
    if most > least:
        axes.plot([least, most], [lane, lane], color=colour, linewidth=3, alpha=0.45, zorder=3,
                  solid_capstyle="butt", label="uncertainty")  # fmt: skip
    axes.plot(at, lane, marker, color=colour, zorder=4, label=name)


def chunk(
    axes: Any,
    lanes: tuple[float, float],
    publish_ms: Sequence[float],
    save_ms: Sequence[float],
    lost: bool,
) -> None:
    """A chunk between the channel's and the history's lane; instants as (estimate, least, most).

    One that was lost is drawn heavy and in red, with crosses for marks.
    """
    colour, marker = (VERMILLION, "X") if lost else (GREY, "o")
    axes.plot(
        [publish_ms[0], save_ms[0]], lanes, color=colour, linewidth=2.0 if lost else 0.9, zorder=2
    )
    for lane, bounds, name in ((lanes[0], publish_ms, "publish"), (lanes[1], save_ms, "save")):
        if not np.isnan(bounds[0]):
            instant(axes, lane, bounds, marker, colour, name)


def per_character(axes: Any) -> float:
    """How much of the time axis a letter takes, in ms."""
    first, last = axes.get_xlim()
    return CHAR_IN * float(last - first) / PLOT_IN


def label_above(axes: Any, lane: float, said: Iterable[tuple[float, str]]) -> None:
    """Texts at their instants above a lane, in as many rows as it takes that no two touch."""
    width, ends = per_character(axes), [-np.inf] * 4
    for at, text in sorted(said):
        row = next((k for k, end in enumerate(ends) if at >= end), len(ends) - 1)
        ends[row] = at + width * (len(text) + 1.4)
        axes.annotate(
            text, (at, lane), (-2, 5 + ROW_PT * row), textcoords="offset points", fontsize=SMALL_PT
        )
