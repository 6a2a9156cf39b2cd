"""Figures: finished tables in (analysis/tables.py, analysis/timelines.py), a matplotlib Figure out.

One function a file. May import: matplotlib, analysis.figures.style; never pyplot, a study or a run
folder, and no arithmetic but that of placing marks. docs/figures.md shows how to add one.
"""

from collections.abc import Callable
from types import MappingProxyType

from matplotlib.figure import Figure

from chunk7.analysis.figures import (
    calibration,
    connection,
    factors,
    loss_rate,
    lost_chunk,
    over_time,
    predicted,
    prices,
    windows,
)

FIGURES: MappingProxyType[str, Callable[..., Figure]] = MappingProxyType(
    {
        "loss_rate": loss_rate.loss_rate,
        "windows": windows.windows,
        "predicted": predicted.predicted,
        "calibration": calibration.calibration,
        "prices": prices.prices,
        "over_time": over_time.over_time,
        "factors": factors.factors,
        "connection": connection.connection,
        "lost_chunk": lost_chunk.lost_chunk,
    }
)
"""Every figure by name; docs/figures.md says which table each takes."""
