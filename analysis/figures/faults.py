"""Faults over the time of a run: what never came then, and how long until delivery was back."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from chunk7.analysis.figures.fault_marks import fault_key, mark_faults
from chunk7.analysis.figures.style import (
    BLACK,
    SMALL_PT,
    VERMILLION,
    WIDTH_IN,
    figure_function,
    new_figure,
    shortened,
)
from chunk7.analysis.recovery import FaultResult

MOST_NAMED = 40
"""Strikes whose name stands above the axis; of more, only each fault's first does."""


@figure_function
def faults(missing: pd.DataFrame, spans: pd.DataFrame, results: Sequence[FaultResult]) -> Figure:
    """Chunks that never came by when they were published, and the recovery of each strike.

    `missing`: `tables.missing_over_time`; `spans`: `tables.fault_spans`; `results`:
    `Summary.faults`, in the order of the spans. Full bars are lost chunks, hollow ones of unknown
    outcome. A strike that interrupted nobody has a hollow mark at 0.
    """
    figure, (above, below) = new_figure(WIDTH_IN, 4.8, rows=2)
    below.sharex(above)
    _bars(above, missing)
    _recoveries(below, results)
    for axes in (above, below):
        axes.set_xlim(*_reach(missing, spans))
        mark_faults(axes, spans)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
    _names(above, spans)
    above.set_ylabel("chunks that never came")
    below.set_ylabel("back after (ms)")
    below.set_xlabel("time (s since the run began)")
    figure.legend(handles=_keys(), loc="outside lower center", ncols=5)
    return figure


def _reach(missing: pd.DataFrame, spans: pd.DataFrame) -> tuple[float, float]:
    half_s = missing["width_s"] / 2
    last = max((missing["at_s"] + half_s).max(), spans["began_s"].max())
    return min(0.0, (missing["at_s"] - half_s).min()), float(last) * 1.01


def _bars(axes: Any, missing: pd.DataFrame) -> None:
    at_s, width_s = missing["at_s"], missing["width_s"]
    lost, undetermined = missing["lost"], missing["undetermined"]
    axes.bar(at_s, lost, width_s, color=VERMILLION, linewidth=0, zorder=3)
    some = undetermined > 0
    axes.bar(
        at_s[some], undetermined[some], 0.9 * width_s[some], bottom=lost[some],
        facecolor="white", edgecolor=BLACK, linewidth=0.6, zorder=3,
    )  # fmt: skip
    if not (lost + undetermined).any():
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 1])


def _recoveries(axes: Any, results: Sequence[FaultResult]) -> None:
    for result in results:
        times, at_s = result.recovery_ms, result.began_s
        if times.p50 is None:
            hollow = "o" if not result.interrupted else "x"
            _mark(axes, at_s, 0.0, hollow, full=False)
            continue
        low = times.p50 if times.p50_low is None else times.p50_low
        high = times.p50 if times.p50_high is None else times.p50_high
        axes.vlines(at_s, low, high, color=BLACK, linewidth=1.2, zorder=3)
        _mark(axes, at_s, times.p50, "o", full=True)
        _mark(axes, at_s, times.p95, "_", full=True)
    if not any(result.recovery_ms.p50 for result in results):
        axes.set_ylim(0, 1)


def _mark(axes: Any, at_s: float, value: float | None, marker: str, full: bool) -> None:
    axes.plot(
        [at_s],
        [value],
        marker,
        color=BLACK,
        markerfacecolor=BLACK if full else "white",
        clip_on=False,
        zorder=4,
    )


def _names(axes: Any, spans: pd.DataFrame) -> None:
    """Above the axis, upright; of very many strikes only where a fault's first one is."""
    names = (spans["name"] + " " + spans["target"]).str.strip()
    if len(spans) > MOST_NAMED:
        names = names[~names.duplicated()]
    for row, name in names.items():
        axes.annotate(
            shortened(str(name), 30),
            (spans.loc[row, "began_s"], 1),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=SMALL_PT,
        )


def _keys() -> list[Any]:
    return [
        Patch(facecolor=VERMILLION, linewidth=0, label="lost"),
        Patch(facecolor="white", edgecolor=BLACK, linewidth=0.6, label="unknown outcome"),
        fault_key(),
        Line2D([], [], color=BLACK, marker="o", linestyle="-", label="back: median, 95% interval"),
        Line2D([], [], color=BLACK, marker="_", linestyle="", label="back: p95"),
    ]
