"""How every figure looks, and how it is written down.

Colours are those of M. Okabe and K. Ito, "Color universal design" (2008), which stay apart for the
colour-blind. No figure relies on them: each ordering also has a marker and a line style of its own,
so a grey print says the same.
"""

import functools
import hashlib
import io
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chunk7.delivery.errors import UsageError
from chunk7.wire.whole_files import whole_file, write_whole

P = ParamSpec("P")

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#5F5F5F"

HOLE, OVERLAP = "#F8DFCE", "#E8F2F9"
"""Fillings: where chunks are lost, and where they come twice."""

BODY_PT, SMALL_PT = 8.0, 7.0
WIDTH_IN = 7.0
"""Text sizes, and the width of a page's text: figures are drawn at the size of their print."""

PNG_DPI = 200
"""Twice what matplotlib draws by default."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one ordering is drawn; `linestyle` as matplotlib takes it."""

    colour: str
    marker: str
    linestyle: Any = "-"


CONNECT_STYLE: MappingProxyType[str, Style] = MappingProxyType(
    {
        "history_then_subscribe": Style(VERMILLION, "o", "-"),
        "subscribe_then_history": Style(BLUE, "s", "--"),
        "redis_streams": Style(GREEN, "D", "-."),
        "sequence_gap_fill": Style(ORANGE, "^", (0, (5, 1, 1, 1, 1, 1))),
        "buffered_merge": Style(PURPLE, "v", ":"),
    }
)

_OTHER_COLOURS = (BLACK, SKY, GREY)
_OTHER_MARKERS = ("h", "<", ">", "d", "p", "8")
LINESTYLES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""Lines within one panel, first to last."""

_SETTINGS: MappingProxyType[str, Any] = MappingProxyType(
    {
        "font.family": ["DejaVu Sans"],
        "font.size": BODY_PT,
        "axes.titlesize": BODY_PT,
        "axes.labelsize": BODY_PT,
        "xtick.labelsize": SMALL_PT,
        "ytick.labelsize": SMALL_PT,
        "legend.fontsize": SMALL_PT,
        "legend.frameon": False,
        "legend.handlelength": 2.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 4.5,
        "hatch.linewidth": 0.4,
        "hatch.color": "#D9A98C",
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "chunk7",
        "pdf.fonttype": 42,
    }
)
"""Text stays text in SVG and PDF, and a '$' in a name is a '$', no formula."""

_NOT_OURS = ("backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg", "tk.")
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's defaults and ours for what is drawn within; the caller's are back afterwards.

    They are the process's own while it lasts, so that two threads take turns. A glyph that the
    font does not have is a box in a PNG, and text like any other in an SVG: nothing to warn of.
    """
    theirs = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(_NOT_OURS)}
    ours: Any = {**theirs, **_SETTINGS}
    with _ONE_AT_A_TIME, mpl.rc_context(ours), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


class Drawing(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_svg_(self) -> str:
        return to_svg(self)


def figure_function(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorates every figure: drawn under `settings`, labelled with the function's name."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with settings():
            figure = draw(*args, **kwargs)
            figure.set_label(draw.__name__)
        return figure

    return drawn


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes: one, or an array of them as `Figure.subplots` gives.

    It belongs to nobody: pyplot does not know it, and it goes when the last reference goes.
    """
    with settings():
        figure = Drawing(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns)


def connect_styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each connect ordering, in the order of their first appearance.

    Orderings of a user's own get the other colours and markers, in that order: within one run
    they look the same in every figure.
    """
    styles: dict[str, Style] = {}
    for name in dict.fromkeys(names):
        own = sum(known not in CONNECT_STYLE for known in styles)
        styles[name] = CONNECT_STYLE.get(name) or Style(
            _OTHER_COLOURS[own % len(_OTHER_COLOURS)],
            _OTHER_MARKERS[own % len(_OTHER_MARKERS)],
            LINESTYLES[own % len(LINESTYLES)],
        )
    return styles


def shortened(name: str, most: int = 34) -> str:
    """At most so many characters of a name: both ends, of a path and name of one's own."""
    if len(name) <= most:
        return name
    kept = most - 1
    return f"{name[: kept // 3]}…{name[-(kept - kept // 3) :]}"


def percent(share: float) -> str:
    """Two significant digits; whole numbers from 10% on."""
    number = 100 * share
    return f"{number:.0f}%" if number >= 9.95 else f"{number:.2g}%"


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure as the suffix says, .png, .svg or .pdf; the same figure gives the same bytes.

    Raises UsageError for another suffix, WriteError where it cannot be written.
    """
    path = Path(path)
    if path.suffix == ".svg":
        write_whole(path, f'<?xml version="1.0" encoding="utf-8"?>\n{to_svg(figure)}')
        return path
    undated = {
        ".png": {"Software": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if path.suffix not in undated:
        raise UsageError(f"{path}: a figure is written as .png, .svg or .pdf")
    with settings(), whole_file(path) as partial:
        kind = path.suffix.removeprefix(".")
        figure.savefig(partial, format=kind, dpi=PNG_DPI, metadata=undated[path.suffix])
    return path


def to_svg(figure: Figure) -> str:
    """A figure as one `<svg>` element, to be put into a page as it is.

    Its ids begin with a digest of the drawing, so that several figures in a page do not clash.
    """
    undated = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with settings(), io.StringIO() as written:
        figure.savefig(written, format="svg", metadata=undated)
        text = written.getvalue()
    text = text[text.index("<svg") :]
    prefix = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
    text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    label = str(figure.get_label()).replace("_", " ")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
