"""A sweep: its plan measured unit by unit, each kept in `sweep.json` as soon as it is finished.

```
DIR/sweep.json       the plan and the finished points (analysis/sweep_table.py)
DIR/runs/NAME/       the run folder of a live setting
DIR/runs/NAME.aside-N  what an interrupted run, or one that was not valid, left behind
DIR/figures/         factors.png, factors.svg
```
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from chunk7.analysis.results import Summary
from chunk7.analysis.sweep_table import (
    LIVE,
    NAME,
    Calibration,
    Sweep,
    SweepPlan,
    SweepPoint,
    read_document,
)
from chunk7.cluster.cells import Cells
from chunk7.cluster.jobs.run import RunOutcome
from chunk7.cluster.jobs.sweep.factors import FACTORS
from chunk7.cluster.jobs.sweep.plan import BASE, Unit, difference, live_settings, units
from chunk7.cluster.jobs.sweep.simulation import USUAL, simulate_cells, simulated_settings
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import Interrupted, UsageError
from chunk7.wire.account import Account, Quantiles
from chunk7.wire.plan import Plan, as_options
from chunk7.wire.whole_files import write_whole

ATTEMPTS = 2
"""At a live run that is not valid."""

RUNS = "runs"


class Watch(Protocol):
    """Who is told how far the sweep is."""

    def begins(self, unit: Unit, left: Sequence[Unit]) -> None:
        """A unit begins; `left` are those to be measured, it among them."""


@dataclass(frozen=True, slots=True)
class Means:
    """How live runs are made: `jobs.run.execute` and `sweep.simulation.calibrate`, or a test's."""

    execute: Callable[[RunSettings, Path], RunOutcome]
    calibrate: Callable[[Path, Plan], Calibration]


def open_sweep(folder: Path, plan: SweepPlan) -> Sweep:
    """Begin a sweep in a new or empty folder, or continue the one that is there.

    Raises UsageError when the folder holds another sweep or something else, RecordError when its
    `sweep.json` cannot be trusted.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / NAME).exists():
            return _continued(folder, plan)
        if any(folder.iterdir()):
            raise UsageError(f"--out {folder}: not empty, and there is no {NAME} to continue")
        sweep = Sweep(complete=False, valid=True, plan=plan, calibration=None, points=[])
        _write(folder, sweep)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error
    return sweep


def check(plan: SweepPlan, cells: Cells) -> None:
    """Raise UsageError for a setting that could not be run or simulated."""
    for unit in units(plan):
        settings = live_settings(plan, cells, unit.setting)
        try:
            simulated_settings(settings, USUAL, plan.simulated)
        except UsageError as error:
            raise UsageError(f"{unit.where}: {as_options(str(error))}") from error


def without_invalid(sweep: Sweep) -> Sweep:
    """The sweep as if the points that are not valid had never been measured."""
    points = [point for point in sweep.points if point.valid]
    return replace(sweep, complete=False, valid=True, points=points)


def measure(folder: Path, sweep: Sweep, cells: Cells, means: Means, watch: Watch) -> Sweep:
    """Measure what is left of an opened sweep. Raises Interrupted, and what ends a run twice.

    Whatever is raised, the points finished until then are in the folder.
    """
    left = unfinished(sweep)
    while left:
        unit = left[0]
        watch.begins(unit, left)
        settings = live_settings(sweep.plan, cells, unit.setting)
        sweep = (
            _live(folder, sweep, unit, settings, means)
            if unit.by == LIVE
            else _simulated(sweep, unit, settings, cells)
        )
        left = unfinished(sweep)
        sweep = replace(sweep, complete=not left, valid=all(p.valid for p in sweep.points))
        _write(folder, sweep)
    return sweep


def unfinished(sweep: Sweep) -> list[Unit]:
    """What is still to be measured."""
    done = {(point.by, point.factor, point.value) for point in sweep.points}
    return [
        unit
        for unit in units(sweep.plan)
        if not all((unit.by, factor, value) in done for factor, value in unit.points)
    ]


def _continued(folder: Path, plan: SweepPlan) -> Sweep:
    sweep = read_document(folder)
    differs = difference(sweep.plan, plan)
    if differs:
        raise UsageError(f"--out {folder}: another sweep: {differs}")
    return sweep


def _live(folder: Path, sweep: Sweep, unit: Unit, settings: RunSettings, means: Means) -> Sweep:
    run_dir = folder / RUNS / unit.name
    summary = _run(run_dir, settings, means)
    calibration = sweep.calibration
    if unit.name == BASE and len(sweep.plan.by) > 1:
        calibration = means.calibrate(run_dir, settings.plan)
    where = f"{RUNS}/{unit.name}"
    points = _points(unit, sweep.plan, summary.results, summary.invalid_because, where)
    return replace(sweep, calibration=calibration, points=[*sweep.points, *points])


def _run(run_dir: Path, settings: RunSettings, means: Means) -> Summary:
    """A valid run, or the last attempt. Raises what ended the last attempt early."""
    for _ in range(ATTEMPTS):
        _set_aside(run_dir)
        outcome = means.execute(settings, run_dir)
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        if outcome.summary.valid:
            break
    if outcome.error is not None:
        raise outcome.error
    return outcome.summary


def _set_aside(run_dir: Path) -> None:
    """Move what an earlier attempt left out of the way, where it can be looked at."""
    if run_dir.exists():
        tried = len(list(run_dir.parent.glob(f"{run_dir.name}.aside-*")))
        run_dir.rename(run_dir.with_name(f"{run_dir.name}.aside-{tried + 1}"))


def _simulated(sweep: Sweep, unit: Unit, settings: RunSettings, cells: Cells) -> Sweep:
    plan = sweep.plan
    model = simulated_settings(settings, sweep.calibration or USUAL, plan.simulated)
    against = [
        f"calibrated by {RUNS}/{BASE}, which is not valid: {reason}"
        for reason in _against_base(sweep)
    ]
    points = _points(unit, plan, simulate_cells(model, cells), against, None)
    return replace(sweep, points=[*sweep.points, *points])


def _against_base(sweep: Sweep) -> list[str]:
    """The reasons against the run that calibrates the simulation."""
    base = (point for point in sweep.points if point.run_dir == f"{RUNS}/{BASE}")
    return next((point.invalid_because for point in base), [])


def _points(
    unit: Unit, plan: SweepPlan, results: Sequence[Any], against: list[str], run_dir: str | None
) -> list[SweepPoint]:
    """A point for each (factor, value) of the unit and each cell, which may have no result."""
    by_cell = {(result.connect, result.write): result for result in results}
    return [
        SweepPoint(
            factor=factor,
            value=value,
            unit=FACTORS[factor].parameter.unit,
            by=unit.by,
            connect=cell.connect,
            write=cell.write,
            **_numbers(by_cell.get((cell.connect, cell.write))),
            valid=not against,
            invalid_because=against,
            run_dir=run_dir,
        )
        for factor, value in unit.points
        for cell in plan.base.cells
    ]


def _numbers(account: Account | None) -> dict[str, Any]:
    """Of None, a run whose records are damaged, nothing."""
    if account is None:
        rates = dict.fromkeys(("loss_rate", "loss_rate_low", "loss_rate_high"))
        counts = dict.fromkeys(("connections", "lossy_connections", "chunks_lost"), 0)
        none = {"window_ms": Quantiles(), "gap_ms": Quantiles()}
        return {**rates, **counts, **none, "chunks_lost_predicted": 0.0}
    names = (
        "connections", "lossy_connections", "loss_rate", "loss_rate_low", "loss_rate_high",
        "chunks_lost", "chunks_lost_predicted", "window_ms", "gap_ms",
    )  # fmt: skip
    return {name: getattr(account, name) for name in names}


def _write(folder: Path, sweep: Sweep) -> None:
    content = msgspec.json.format(msgspec.json.encode(sweep), indent=2) + b"\n"
    write_whole(folder / NAME, content)
