"""What a sweep measures: the runs that factors and their values come to.

One factor is varied at a time, the others keep their base value. The base value is always one of
a factor's values, so all factors share one point: the base run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.sweep_table import LIVE, SIMULATION, SweepPlan
from chunk7.cluster.cells import Cells, try_and_choose
from chunk7.cluster.jobs.sweep.factors import FACTORS
from chunk7.cluster.options import names
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import UsageError
from chunk7.wire.plan import OPTIONS, Plan

BASE = "base"
MAX_CELLS = 8
"""As many as one can tell apart in a figure."""

DEFAULT_CELLS = (
    ("history_then_subscribe", "publish_then_save"),
    ("buffered_merge", "atomic_lua"),
)
"""The bug, and a pair that loses nothing at the least price."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is measured at once: all cells at one setting of the factors.

    `points` are the (factor, value) that it stands for: the base unit stands for one of each.
    """

    by: str
    name: str
    setting: Plan
    points: tuple[tuple[str, float], ...]

    @property
    def where(self) -> str:
        """The setting, as people read it."""
        return BASE if self.name == BASE else " ".join(f"{f} {v:g}" for f, v in self.points)

    @property
    def title(self) -> str:
        """The setting and the way."""
        return f"{self.by} {self.where}"


def units(plan: SweepPlan) -> list[Unit]:
    """Everything to measure, the base first; each setting live, then simulated."""
    base = tuple((name, FACTORS[name].of(plan.base)) for name in plan.factors)
    settings: list[tuple[str, Plan, tuple[tuple[str, float], ...]]] = [(BASE, plan.base, base)]
    for name, values in plan.factors.items():
        factor = FACTORS[name]
        settings += [
            (f"{name}-{value:.15g}", factor.set_to(value, plan.base), ((name, value),))
            for value in values
            if value != factor.of(plan.base)
        ]
    ways = [way for way in (LIVE, SIMULATION) if way in plan.by]
    return [Unit(way, *setting) for setting in settings for way in ways]


def live_settings(plan: SweepPlan, cells: Cells, setting: Plan) -> RunSettings:
    """The options of the `chunk7 run` that measures a setting."""
    return RunSettings(
        plan=setting,
        cells=cells,
        nodes=plan.nodes,
        stream_max_entries=None,
        answers=None,
        redis=None,
        processes=0,
        thresholds=(),
    )


def chosen_cells(connects: list[str] | None, writes: list[str] | None) -> Cells:
    """The cells of --connect and --write; raises UsageError in one line."""
    if names(connects) or names(writes):
        cells = try_and_choose(names(connects), names(writes))
    else:
        bug, fix = (try_and_choose([connect], [write]) for connect, write in DEFAULT_CELLS)
        cells = Cells(
            cells=bug.cells + fix.cells,
            traits={**bug.traits, **fix.traits},
            explored={**bug.explored, **fix.explored},
        )
    if len(cells.cells) > MAX_CELLS:
        raise UsageError(
            f"--connect, --write: {len(cells.cells)} pairs; a sweep takes at most {MAX_CELLS}"
        )
    return cells


def chosen_ways(texts: list[str]) -> list[str]:
    """--by; raises UsageError."""
    for text in texts:
        if text not in (LIVE, SIMULATION):
            raise UsageError(f"--by {text}: must be one of {LIVE}, {SIMULATION}")
    return [way for way in (LIVE, SIMULATION) if not texts or way in texts]


def difference(found: SweepPlan, asked: SweepPlan) -> str | None:
    """The first option in which two plans differ, in words; None if they are the same."""
    before, after = _options(found), _options(asked)
    for option in {**before, **after}:
        if before.get(option) != after.get(option):
            was, now = (plan.get(option, "not swept") for plan in (before, after))
            return f"{option} was {was}, not {now}"
    return None


def _options(plan: SweepPlan) -> dict[str, str]:
    """A plan as the options that lead to it."""
    swept = {factor.field: factor.base_option for factor in FACTORS.values()}
    return {
        "--factor": ",".join(plan.factors),
        **{
            FACTORS[name].values_option if name in FACTORS else name: _list(values)
            for name, values in plan.factors.items()
        },
        **{
            swept.get(name, parameter.option): parameter.spelled(getattr(plan.base, name))
            for name, parameter in OPTIONS.items()
        },
        "--by": ",".join(plan.by),
        "--connect, --write": ", ".join(cell.name for cell in plan.base.cells),
        "--nodes": str(plan.nodes),
        "--simulated": str(plan.simulated),
    }


def _list(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
