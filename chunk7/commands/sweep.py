"""`chunk7 sweep`: loss against the bug report's four factors, live and simulated."""

import argparse
import io
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from chunk7.cluster.jobs.sweep.factors import FACTORS, chosen_factors
from chunk7.cluster.options import Subparsers, add_json, add_out, names, whole
from chunk7.commands.run import NOT_VALID, add_cells
from chunk7.console import stderr_console
from chunk7.delivery.errors import Interrupted, UsageError
from chunk7.wire.options import Parser
from chunk7.wire.plan import OPTIONS, add_options, read_plan

if TYPE_CHECKING:
    from chunk7.analysis.sweep_table import Sweep, SweepPlan
    from chunk7.cluster.cells import Cells


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 sweep`."""
    parser = subparsers.add_parser(
        "sweep",
        description="Varies the bug report's four factors one at a time, the others at their base "
        "values, and measures the loss by live runs and by simulation. The defaults are 16 runs of "
        "about 16 s, 4 to 5 minutes. The same command with the same --out continues a sweep that "
        "was interrupted.",
    )
    parser.add_argument(
        "--factor",
        action="append",
        metavar="NAME",
        help=f"{', '.join(FACTORS)}; repeatable, or commas (default: all)",
    )
    _add_factors(parser)
    parser.add_argument(
        "--by",
        action="append",
        metavar="NAME",
        help="live, simulation; repeatable, or commas (default: both)",
    )
    add_cells(parser)
    _add_load(parser)
    parser.add_argument(
        "--redo-invalid",
        action="store_true",
        help="of a sweep that is continued, measure the points that are not valid again",
    )
    add_out(parser, "sweeps/TIME-SEED")
    add_json(parser)


def _add_factors(parser: argparse.ArgumentParser) -> None:
    """Each factor's values and base value."""
    for factor in FACTORS.values():
        usual = ",".join(f"{value:g}" for value in factor.values)
        parser.add_argument(
            factor.values_option,
            dest=f"values_{factor.name}",
            metavar="V,V,...",
            help=f"{factor.what or factor.parameter.what}: values, to which the base value is "
            f"added (default: {usual})",
        )
        parser.add_argument(
            factor.base_option,
            dest=f"base_{factor.name}",
            type=partial(factor.read, factor.base_option),
            default=factor.base,
            metavar="V",
            help="the same while another factor is varied (default: %(default)g)",
        )


def _add_load(parser: argparse.ArgumentParser) -> None:
    """The parameters of the plan that are no factors, and what else a point is made of."""
    swept = {factor.field for factor in FACTORS.values()}
    others = {name: found for name, found in OPTIONS.items() if name not in swept}
    add_options(parser, others, duration_ms=4_000)
    for option, low, high, default, what in (
        ("--nodes", 1, 64, 3, "relay nodes"),
        ("--simulated", 100, 10_000_000, 20_000, "connections of a simulated point"),
    ):
        parser.add_argument(
            option,
            type=whole(option, low, high),
            default=default,
            metavar="N",
            help=f"{what} (default: %(default)s)",
        )


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw; the exit code. Raises Chunk7Error for what ended it early."""
    # Imported here, because they bring pandas: not every subcommand should wait for that.
    from chunk7.analysis.figures.factors import factors
    from chunk7.analysis.figures.style import save
    from chunk7.analysis.sweep_table import sweep_table
    from chunk7.cluster.jobs.sweep.plan import chosen_cells
    from chunk7.cluster.jobs.sweep.sweep import check, open_sweep, without_invalid
    from chunk7.console import stdout_console
    from chunk7.run_table import PLAIN_WIDTH
    from chunk7.sweep_tables import show

    cells = chosen_cells(args.connect, args.write)
    plan = _plan(args, cells)
    check(plan, cells)
    folder = args.out or Path(
        "sweeps", time.strftime(f"%Y%m%dT%H%M%SZ-{plan.base.seed}", time.gmtime())
    )
    found = open_sweep(folder, plan)
    sweep = _measured(folder, without_invalid(found) if args.redo_invalid else found, cells)
    (folder / "figures").mkdir(exist_ok=True)
    figure = factors(sweep_table(sweep))
    for suffix in (".png", ".svg"):
        save(figure, folder / "figures" / f"factors{suffix}")
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(sweep) + b"\n")
        sys.stdout.flush()
    else:
        show(sweep, folder, stdout_console(PLAIN_WIDTH))
    return 0 if sweep.valid else NOT_VALID


def _plan(args: argparse.Namespace, cells: "Cells") -> "SweepPlan":
    from chunk7.analysis.sweep_table import SweepPlan
    from chunk7.cluster.jobs.sweep.plan import chosen_ways

    given = vars(args)
    base = {name: float(given[f"base_{name}"]) for name in FACTORS}
    values = {name: given[f"values_{name}"] for name in FACTORS}
    plan = read_plan(given, run="sweep", cells=list(cells.cells))
    for name, factor in FACTORS.items():
        plan = factor.set_to(base[name], plan)
    if plan.slots > 1:
        raise UsageError(f"--duration {args.duration_s}: must be below 7.5: a user joins once")
    return SweepPlan(
        by=chosen_ways(names(args.by)),
        factors=chosen_factors(names(args.factor), values, base),
        base=plan,
        nodes=args.nodes,
        simulated=args.simulated,
    )


def _measured(folder: Path, sweep: "Sweep", cells: "Cells") -> "Sweep":
    """The finished sweep. Says how to continue one that is stopped before."""
    from chunk7.cluster.jobs.run import execute
    from chunk7.cluster.jobs.sweep.progress import Follower
    from chunk7.cluster.jobs.sweep.simulation import calibrate
    from chunk7.cluster.jobs.sweep.sweep import Means, measure

    silent = Console(file=io.StringIO())  # one bar is enough
    means = Means(lambda settings, out: execute(settings, out, silent), calibrate)
    try:
        with Follower(sweep.plan, cells, stderr_console()) as follower:
            return measure(folder, sweep, cells, means, follower)
    except (KeyboardInterrupt, Interrupted):
        sys.stderr.write(
            f"what is finished is in {folder}; the same command with --out {folder} continues\n"
        )
        raise
