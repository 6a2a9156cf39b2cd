"""Cells as rows under the name of their connect ordering: shared by the figures that list cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunk7.analysis.figures.style import BODY_PT, shortened

ROW_IN = 0.19
"""Height of a row."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows are, from 0 at the top downwards."""

    at: NDArray[np.float64]
    """Of each cell, in the table's order; shape (cells,)."""
    headings: dict[str, float]
    """Of each connect ordering's name, above its cells."""
    count: int

    @property
    def height_in(self) -> float:
        """Of all rows together."""
        return self.count * ROW_IN


def group_rows(connects: Sequence[str]) -> Rows:
    """Cells of one connect ordering below each other, orderings as they first appear."""
    at, headings, row = np.zeros(len(connects)), {}, 0
    for name in dict.fromkeys(connects):
        headings[name] = float(row)
        for cell in (k for k, connect in enumerate(connects) if connect == name):
            row += 1
            at[cell] = row
        row += 1
    return Rows(at, headings, row)


def label_rows(axes: Any, rows: Rows, writes: Sequence[str], headings: bool = True) -> None:
    """The write orderings as labels of the axis, the connect orderings as headings on it."""
    axes.set_ylim(rows.count - 0.4, -0.6)
    axes.set_yticks(rows.at, [shortened(str(write)) for write in writes])
    axes.tick_params(axis="y", length=0, pad=6)
    for name, at in rows.headings.items():
        if at > 0:
            axes.axhline(at - 0.5, color="#BBBBBB", linewidth=0.5)
        if headings:
            axes.annotate(
                shortened(name, 48),
                (0, at),
                (4, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=BODY_PT,
                fontweight="bold",
            ).set_in_layout(False)
