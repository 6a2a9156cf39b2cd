"""A sweep's results as people read them: a table a factor, and what to know about them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from chunk7.analysis.sweep_table import LIVE, SIMULATION, Sweep, SweepPoint
from chunk7.console import print_table
from chunk7.wire.plan import Cell


def show(sweep: Sweep, folder: Path, console: Console) -> None:
    """Print all of it."""
    for factor in sweep.plan.factors:
        points = [point for point in sweep.points if point.factor == factor]
        print_table(console, table(points, sweep.plan.base.cells), keep=3)
        console.print()
    for line in notes(sweep):
        console.print(line, soft_wrap=True)
    for line in doubts(sweep):
        console.print(line, style="bold red", soft_wrap=True)
    console.print(f"sweep: {folder}", soft_wrap=True)


def table(points: Sequence[SweepPoint], cells: Sequence[Cell]) -> Table:
    """One factor's points: under each cell a row a value. Fits into 80 columns."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    factor, unit = points[0].factor, points[0].unit
    shown.add_column(f"{factor}\n  {unit}", overflow="fold")
    for heading in (
        "lossy/\nconn.",
        "live %\n(95%)",
        "lost\n(law)",
        "window\nms",
        "simu-\nlated %",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    for cell in cells:
        shown.add_row(cell.connect)
        shown.add_row(f" x {cell.write}")
        of_cell = [p for p in points if (p.connect, p.write) == (cell.connect, cell.write)]
        for value in sorted({point.value for point in of_cell}):
            by = {point.by: point for point in of_cell if point.value == value}
            shown.add_row(*_row(value, by.get(LIVE), by.get(SIMULATION)))
    return shown


def notes(sweep: Sweep) -> list[str]:
    """What the simulated numbers rest on."""
    measured = sweep.calibration
    if SIMULATION not in sweep.plan.by:
        return []
    if measured is None:
        return ["simulation: the usual store latency of chunk7 simulate, nothing measured"]
    return [
        f"simulation: with the base run's {median(measured.one_way_ms):.2f} ms each way to the "
        f"store, {median(measured.node_work_ms):.2f} ms late from node work, "
        f"{median(measured.save_lag_ms):.2f} ms late from the save lag (medians)"
    ]


def doubts(sweep: Sweep) -> list[str]:
    """One line for each run, or calibration, that is not valid, and each reason."""
    lines = [
        f"NOT VALID: {point.run_dir or 'simulation'}: {reason}"
        for point in sweep.points
        for reason in point.invalid_because
    ]
    return list(dict.fromkeys(lines))


def _row(
    value: float, live: SweepPoint | None, simulated: SweepPoint | None
) -> tuple[str, str, str, str, str, str]:
    mark = "" if all(point.valid for point in (live, simulated) if point) else " !"
    measured = ("-", "-", "-", "-")
    if live is not None:
        measured = (
            f"{live.lossy_connections}/{live.connections}",
            _rate(live),
            f"{live.chunks_lost} ({live.chunks_lost_predicted:.1f})",
            "-" if live.window_ms.p50 is None else f"{live.window_ms.p50:.1f}",
        )
    return (f"  {value:g}{mark}", *measured, _percent(simulated.loss_rate if simulated else None))


def _rate(point: SweepPoint) -> str:
    """The loss rate and its interval, in percent."""
    low, high = point.loss_rate_low, point.loss_rate_high
    if low is None or high is None:
        return "-"
    return f"{_percent(point.loss_rate)} ({100 * low:.0f}-{100 * high:.0f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
