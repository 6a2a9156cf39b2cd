"""What one run was asked to do: frozen, and checked as far as one value can be without another."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from chunk7.analysis.thresholds import Threshold, parse_threshold
from chunk7.cluster.cells import Cells, cells_of, try_and_choose
from chunk7.cluster.deployments.local import Local, can_have
from chunk7.cluster.options import names
from chunk7.delivery.errors import UsageError
from chunk7.faults import LIVE
from chunk7.faults.live import Conducted
from chunk7.faults.schedule import needs, parse_faults
from chunk7.loadtest.targets.adapter import Adapter, read_adapter
from chunk7.wire.plan import PARAMETERS, Plan, read_plan

BEYOND_TIMETABLE_S = 45.0
LOCAL = "local"
FOREIGN_QUIET_MS = 2_500
"""After each cell of a target: time for chunks that are merely late, and for its last ones."""

BY_USERS = tuple(name for name, fault in LIVE.items() if not isinstance(fault, Conducted))
"""Faults that strike whatever cluster there is: nobody has to reach into it."""


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
    adapter: Adapter | None = None
    """Of somebody else's back end, which is joined instead of nodes of ours."""
    kind: str = LOCAL
    """Of the cluster: `local`, `compose`."""
    conducted: bool = True
    """Whether somebody strikes the cluster from outside: of `docker compose up` alone, nobody."""

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
            needs=needs(parse_faults(self.plan.faults, self.plan.duration_ms)),
        )

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can strike this cluster."""
        if self.adapter is not None:
            return ()
        there = can_have(self.redis)
        able = LIVE if self.conducted else {name: LIVE[name] for name in BY_USERS}
        return tuple(name for name, fault in able.items() if fault.terms.needs <= there)

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
    target = vars(args).get("target")  # containers have no such option: a target is no cluster
    adapter = None if target is None else read_adapter(target)
    if adapter is None:
        cells = try_and_choose(names(args.connect), names(args.write))
    else:
        _check_beside_target(args)
        cells = cells_of(adapter, names(args.write))
    faults = tuple(vars(args).get("fault") or ())
    plan = read_plan(vars(args), run="unnamed", cells=list(cells.cells), faults=faults)
    redis = args.redis
    conducted: bool = vars(args).get("conducted", True)
    _check_faults(plan, redis, adapter, conducted)
    if adapter is not None:
        plan, redis = _plan_of_target(plan), _store_of(adapter, redis)
    return RunSettings(
        plan=plan,
        cells=cells,
        nodes=args.nodes,
        stream_max_entries=args.stream_max_entries,
        answers=args.answers,
        redis=redis,
        processes=args.processes,
        thresholds=tuple(map(parse_threshold, args.threshold)),
        adapter=adapter,
        kind=args.cluster,
        conducted=conducted,
    )


def _check_faults(plan: Plan, redis: str | None, adapter: Adapter | None, conducted: bool) -> None:
    """Raise UsageError for faults that cannot be, there or at all."""
    planned = parse_faults(plan.faults, plan.duration_ms)
    if planned and adapter is not None:
        raise UsageError(f"--fault {planned[0].text}: it strikes chunk7's own cluster, no target")
    for one in planned:
        if isinstance(one.fault, Conducted) and not conducted:
            raise UsageError(
                f"--fault {one.text}: nobody strikes the containers of docker compose up, which "
                f"have {', '.join(BY_USERS)}; chunk7 up --cluster compose has it"
            )
        if not one.fault.terms.needs <= can_have(redis):
            raise UsageError(
                f"--fault {one.text}: needs a store that chunk7 starts, so not with --redis"
            )


def _check_beside_target(args: argparse.Namespace) -> None:
    """Raise UsageError for options that a target leaves without an effect."""
    if args.connect:
        raise UsageError("--connect: a target has its own connect ordering, whatever it is")
    if args.cluster != "local":
        raise UsageError(f"--cluster {args.cluster}: with --target no cluster is started")


def _plan_of_target(plan: Plan) -> Plan:
    for name in ("node_work_ms", "store_latency_ms"):
        if getattr(plan, name):
            raise UsageError(
                f"{PARAMETERS[name].option}: it slows chunk7's own cluster, not a target"
            )
    return plan if plan.settle_ms is not None else replace(plan, settle_ms=FOREIGN_QUIET_MS)


def _store_of(adapter: Adapter, redis: str | None) -> str | None:
    """Where our producer writes, if it does, and what a target that we start is given."""
    if adapter.produce is None and adapter.start is None:
        return None
    if adapter.produce is not None and not (redis or adapter.store):
        raise UsageError(
            f"--redis URL, or store: in {adapter.file}, is needed: where the producer writes"
        )
    return redis or adapter.store
