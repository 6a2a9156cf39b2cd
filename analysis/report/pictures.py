"""The run's figures, drawn, with what a reader needs beside each.

To add one: write its function, then an entry of FIGURES (docs/extending.md).
"""

import base64
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from chunk7.analysis import tables
from chunk7.analysis.figures.calibration import calibration
from chunk7.analysis.figures.connection import connection
from chunk7.analysis.figures.faults import faults
from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.lost_chunk import lost_chunk
from chunk7.analysis.figures.over_time import over_time
from chunk7.analysis.figures.predicted import predicted
from chunk7.analysis.figures.prices import prices
from chunk7.analysis.figures.style import save
from chunk7.analysis.figures.windows import windows
from chunk7.analysis.study import Study
from chunk7.analysis.timelines import connection_timeline, loss_instants, typical

LARGEST_SVG_BYTES = 400_000
"""A drawing larger than this is embedded as a PNG."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`content` is a whole file of the type `suffix` (svg or png); `how` says how to read it.

    `alternative` says to those who cannot see it what is shown, and where the numbers are.
    """

    name: str
    title: str
    how: str
    alternative: str
    suffix: str
    content: bytes

    @property
    def uri(self) -> str:
        """The picture in itself, for a page that may load nothing."""
        kind = {"svg": "image/svg+xml", "png": "image/png"}[self.suffix]
        return f"data:{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True, slots=True)
class ReportFigure:
    """A figure of the report, and the words beside it.

    `name` is its function's, `how` says how to read it, `alternative` is for those who cannot see
    it. `draw` gives the function its table; `fits` says whether the run has anything to draw.
    """

    name: str
    title: str
    how: str
    alternative: str
    draw: Callable[[Study], Figure]
    fits: Callable[[Study], bool] = lambda study: len(study.connections) > 0


def _has_law(study: Study) -> bool:
    """The law speaks of instants at the store, of which a target's joins have none on record."""
    return len(study.connections) > 0 and study.run.manifest.target is None


def _lost_chunk(study: Study) -> Figure:
    """Of the connection that is shown above it, if that lost any."""
    losses = study.losses
    shown = losses.index[losses["connection_id"] == typical(study)]
    row = shown[0] if len(shown) else losses.index[0]
    return lost_chunk(losses.loc[row].to_dict(), loss_instants(study).loc[row].to_dict())


FIGURES = (
    ReportFigure(
        "loss_rate",
        "How many connections lost something",
        "A filled mark is the share of a cell's connections that lost a chunk, its line the 95% "
        "interval. A hollow mark lost none; its dashed line ends at the highest rate that this "
        "run cannot rule out. Cells whose lines overlap much may not differ.",
        "Loss rate of each cell with its 95% interval; the numbers are in the table of cells.",
        lambda study: loss_rate(tables.cells(study)),
    ),
    ReportFigure(
        "windows",
        "How wide the handover gap was",
        "Each line is a cell: how large a share of its joins (upwards) had at most this gap "
        "(to the right). Right of zero is a hole, in which a chunk is lost unless it is fetched; "
        "left of it an overlap, in which a chunk comes twice unless it is merged. The number is "
        "the median.",
        "Cumulative distribution of the handover gap in each cell; medians and 95th and 99th "
        "percentiles are in the table of times.",
        lambda study: windows(tables.windows(study)),
        lambda study: bool(study.connections["gap_ms"].notna().any()),
    ),
    ReportFigure(
        "predicted",
        "Whether the law explains it",
        "A mark is a cell: to the right what the law expects from the measured instants, upwards "
        "what was counted. On the diagonal they agree; the bar is the 95% interval of the "
        "prediction, and a ringed cell is outside it, so something else than the handover lost "
        "its chunks. Both axes are square roots.",
        "Chunks lost, fetched and doubled against the law's prediction; lost ones are in the "
        "table of cells.",
        lambda study: predicted(tables.predicted(study)),
        _has_law,
    ),
    ReportFigure(
        "calibration",
        "Whether the law explains it connection by connection",
        "Connections for which the law expects about the same are one mark: to the right what it "
        "expects of each, upwards what was counted, with its 95% interval. A cross misses the "
        "diagonal; about one mark in twenty may.",
        "Chunks lost, fetched and doubled per connection against the law's prediction, in bins.",
        lambda study: calibration(tables.calibration(study)),
        _has_law,
    ),
    ReportFigure(
        "connection",
        "One connection, step by step",
        "A typical connection, one that lost a chunk if there is any. Green is what it got: of "
        "the history what was saved before T1, of the channel what was published after T4. Each "
        "chunk goes from its publication (T2) down to its save (T3); one that touches neither "
        "green field is lost.",
        "Timeline of one connection's handover, T1 to T5.",
        lambda study: connection(connection_timeline(study, typical(study))),
        _has_law,
    ),
    ReportFigure(
        "lost_chunk",
        "One lost chunk",
        "The same for one of its lost chunks. Bars are how uncertain an instant is. Every other "
        "lost chunk can be unfolded below.",
        "Timeline of one lost chunk; its instants are in the list of lost chunks.",
        _lost_chunk,
        lambda study: len(study.losses) > 0 and _has_law(study),
    ),
    ReportFigure(
        "over_time",
        "When in the run it was lost",
        "The run from left to right, cell after cell. A steady rate belongs to the ordering; a "
        "sudden one to something that happened, which the section on how it was made may name.",
        "Share of connections that lost something, by when they joined.",
        lambda study: over_time(tables.over_time(study), tables.fault_spans(study)),
    ),
    ReportFigure(
        "faults",
        "When faults struck, and what was lost then",
        "Above, the chunks that never came, by when they were published: full bars were lost, "
        "hollow ones are of unknown outcome, and what is hatched is the time of a fault. Below, "
        "how long after each fault's beginning delivery was back: the mark is the median of the "
        "visits that it interrupted, the line its 95% interval, the tick above it the 95th "
        "percentile. A hollow mark interrupted nobody.",
        "Lost and undetermined chunks over time with the spans of the faults, and recovery "
        "times; the numbers are in the table of faults.",
        lambda study: faults(
            tables.missing_over_time(study), tables.fault_spans(study), study.summary.faults
        ),
        lambda study: len(study.summary.faults) > 0,
    ),
    ReportFigure(
        "prices",
        "What each cell costs",
        "The shorter, the cheaper: work for the client, time to join, and what the store keeps "
        "and executes.",
        "Prices of each cell; the numbers are in the table of prices.",
        lambda study: prices(tables.prices(study)),
    ),
)
"""In the order of the page."""


def pictures(study: Study) -> list[Picture]:
    """Every figure for which the run has something to draw, in the order of the page."""
    return [_picture(plan, study) for plan in FIGURES if plan.fits(study)]


def _picture(plan: ReportFigure, study: Study) -> Picture:
    suffix, content = _drawn(plan.draw(study))
    return Picture(plan.name, plan.title, plan.how, plan.alternative, suffix, content)


def _drawn(figure: Figure) -> tuple[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        drawing = save(figure, Path(folder, "figure.svg"))
        if drawing.stat().st_size <= LARGEST_SVG_BYTES:
            return "svg", drawing.read_bytes()
        return "png", save(figure, Path(folder, "figure.png")).read_bytes()
