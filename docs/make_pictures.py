"""Draw `docs/pictures/` from the samples: `python -m docs.make_pictures`, or `make pictures`.

A picture is one line of PICTURES; the samples are those of docs/notebooks.md. The same samples give
the same bytes, so that a picture changes only when what it shows does.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from chunk7 import Study, open_study, tables, timelines
from chunk7.analysis.figures.calibration import calibration
from chunk7.analysis.figures.connection import connection
from chunk7.analysis.figures.factors import factors
from chunk7.analysis.figures.loss_rate import loss_rate
from chunk7.analysis.figures.lost_chunk import lost_chunk
from chunk7.analysis.figures.over_time import over_time
from chunk7.analysis.figures.predicted import predicted
from chunk7.analysis.figures.prices import prices
from chunk7.analysis.figures.style import save
from chunk7.analysis.figures.windows import windows
from chunk7.analysis.sweep_table import read_sweep

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"


@dataclass(frozen=True, slots=True)
class Samples:
    """What pictures are drawn from."""

    study: Study
    sweep: pd.DataFrame


PICTURES: dict[str, Callable[[Samples], Figure]] = {
    "loss-rate": lambda of: loss_rate(tables.cells(of.study)),
    "connection": lambda of: connection(_timeline(of.study)),
    "lost-chunk": lambda of: lost_chunk(*_loss(of.study)),
    "handover-gap": lambda of: windows(tables.windows(of.study)),
    "predicted": lambda of: predicted(tables.predicted(of.study)),
    "calibration": lambda of: calibration(tables.calibration(of.study)),
    "prices": lambda of: prices(tables.prices(of.study)),
    "over-time": lambda of: over_time(tables.over_time(of.study)),
    "factors": lambda of: factors(of.sweep),
}


def main() -> int:
    """Draw them all, and remove what is not drawn any more."""
    draw_all(FOLDER)
    for path in FOLDER.iterdir():
        if path.stem not in PICTURES:
            path.unlink()
    return 0


def draw_all(folder: Path) -> None:
    """Write NAME.svg for every picture into a folder."""
    folder.mkdir(exist_ok=True)
    notebooks = ROOT / "notebooks"
    samples = Samples(open_study(notebooks / "sample_run"), read_sweep(notebooks / "sample_sweep"))
    for name, draw in PICTURES.items():
        save(draw(samples), folder / f"{name}.svg")


def _timeline(study: Study) -> pd.DataFrame:
    return timelines.connection_timeline(study, timelines.typical(study))


def _loss(study: Study) -> tuple["pd.Series[object]", "pd.Series[object]"]:
    """The last chunk that the same connection lost."""
    losses = study.losses[study.losses["connection_id"] == timelines.typical(study)]
    return losses.iloc[-1], timelines.loss_instants(study).loc[losses.index[-1]]


if __name__ == "__main__":
    sys.exit(main())
