"""A small plan, and means that measure nothing: live runs of a sweep as a test wants them."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from chunk7.analysis.results import Result, Summary
from chunk7.analysis.sweep_table import Calibration, SweepPlan
from chunk7.cluster.cells import Cells, choose
from chunk7.cluster.jobs.run import RunOutcome
from chunk7.cluster.jobs.sweep.plan import Unit
from chunk7.cluster.jobs.sweep.sweep import Means
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import Chunk7Error
from chunk7.wire.account import Quantiles
from chunk7.wire.plan import Cell, Plan

CELL = Cell("history_then_subscribe", "publish_then_save")
PLAN = SweepPlan(
    by=["live", "simulation"],
    factors={"chunk-rate": [10.0, 20.0], "node-work": [0.0, 10.0]},
    base=Plan(
        run="sweep",
        cells=[CELL],
        users=12,
        sessions=3,
        chunk_rate=20.0,
        duration_ms=2_000,
        node_work_ms=10.0,
    ),
    nodes=2,
    simulated=200,
)
MEASURED = Calibration(run_dir="base", one_way_ms=[0.25], node_work_ms=[0.5], save_lag_ms=[0.125])


def cells() -> Cells:
    """Those of the plan."""
    return choose([CELL.connect], [CELL.write])


def result(settings: RunSettings) -> Result:
    """One in four connections lost a chunk."""
    counts = dict.fromkeys(
        (
            name
            for name in Result.__struct_fields__
            if name.startswith("chunks_") or name == "rewinds"
        ),
        0,
    )
    return Result(
        connect=CELL.connect,
        write=CELL.write,
        connections=settings.plan.users,
        lossy_connections=settings.plan.users // 4,
        loss_rate=0.25,
        loss_rate_low=0.1,
        loss_rate_high=0.5,
        loss_rate_design_effect=None,
        causes={},
        window_ms=Quantiles(p50=settings.plan.node_work_ms),
        gap_ms=Quantiles(),
        join_ms=Quantiles(),
        chunk_latency_ms=Quantiles(),
        memory_bytes_per_chunk=None,
        **counts,
    )


def outcome(
    settings: RunSettings,
    folder: Path,
    against: tuple[str, ...] = (),
    error: Chunk7Error | None = None,
) -> RunOutcome:
    """A run that made its folder; not valid if anything is against it."""
    folder.mkdir(parents=True)
    reasons = [*against, *([str(error)] if error else [])]
    summary = Summary(
        valid=not reasons,
        invalid_because=reasons,
        seed=settings.plan.seed,
        run_dir=str(folder),
        results=[] if error else [result(settings)],
    )
    return RunOutcome(folder, summary, None, error)


def means(execute: Callable[[RunSettings, Path], RunOutcome] = outcome) -> Means:
    """With the calibration `MEASURED`."""
    return Means(execute, lambda run_dir, plan: replace(MEASURED, run_dir=run_dir.name))


class Titles(list[str]):
    """A watch that keeps the titles of the units that began."""

    def begins(self, unit: Unit, left: object) -> None:
        self.append(unit.title)
