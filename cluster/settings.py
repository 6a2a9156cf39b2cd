"""What one run was asked to do: frozen, and checked as far as one value can be without another."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from chunk7.analysis.thresholds import Threshold, parse_threshold
from chunk7.cluster.cells import Cells, try_and_choose
from chunk7.cluster.deployments.local import Local
from chunk7.cluster.options import names
from chunk7.wire.plan import Plan, read_plan

BEYOND_TIMETABLE_S = 45.0


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The options of `chunk7 run`. `plan` has every parameter of the load, but not yet its name."""

    plan: Plan
    cells: Cells
    nodes: int
    stream_max_entries: int | None
    answers: Path | None
    redis: str | None = field(repr=False)
    processes: int
    thresholds: tuple[Threshold, ...]

    def named(self, run_name: str) -> Plan:
        """The plan of the run of this name."""
        return replace(self.plan, run=run_name)

    @property
    def local(self) -> Local:
        """The cluster that the run needs."""
        return Local(
            plan=self.plan,
            nodes=self.nodes,
            stream_max_entries=self.stream_max_entries,
            redis=self.redis,
            answers=self.answers,
            connect_files=self.cells.connect_files,
            write_files=self.cells.write_files,
        )

    @property
    def length_s(self) -> float:
        """How long the load lasts, by the timetable."""
        return self.plan.length_ms / 1_000

    @property
    def limit_s(self) -> float:
        """How long Locust may take for it: it has to start, to spawn its users, and to end."""
        return self.length_s + BEYOND_TIMETABLE_S


def read_settings(args: argparse.Namespace) -> RunSettings:
    """The settings of a parsed command line; raises UsageError in one line."""
    cells = try_and_choose(names(args.connect), names(args.write))
    return RunSettings(
        plan=read_plan(vars(args), run="unnamed", cells=list(cells.cells)),
        cells=cells,
        nodes=args.nodes,
        stream_max_entries=args.stream_max_entries,
        answers=args.answers,
        redis=args.redis,
        processes=args.processes,
        thresholds=tuple(map(parse_threshold, args.threshold)),
    )
