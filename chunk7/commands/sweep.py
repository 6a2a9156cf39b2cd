"""`chunk7 sweep`: loss against the bug report's four factors, live and simulated."""

import argparse
import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from chunk7.cluster.jobs.sweep.factors import FACTORS, chosen_factors
from chunk7.cluster.options import (
    Subparsers,
    add_json,
    add_out,
    add_seed,
    names,
    number,
    whole,
)
from chunk7.commands.run import NOT_VALID, add_cells
from chunk7.delivery.errors import Interrupted
from chunk7.wire.options import Parser

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
    add_seed(parser)
    add_out(parser, "sweeps/TIME-SEED")
    add_json(parser)


def _add_factors(parser: argparse.ArgumentParser) -> None:
    """Each factor's values and base value."""
    for factor in FACTORS.values():
        usual = ",".join(f"{value:g}" for value in factor.values)
        parser.add_argument(
            factor.option,
            dest=f"values_{factor.name}",
            metavar="V,V,...",
            help=f"{factor.what}: values, to which the base value is added (default: {usual})",
        )
        parser.add_argument(
            factor.base_option,
            dest=f"base_{factor.name}",
            type=factor.parser(factor.base_option),
            default=factor.base,
            metavar="V",
            help="the same while another factor is varied (default: %(default)g)",
        )


def _add_load(parser: argparse.ArgumentParser) -> None:
    for option, type_, default, metavar, help_ in (
        ("--nodes", whole("--nodes", 1, 64), 3, "N", "relay nodes"),
        (
            "--sessions",
            whole("--sessions", 1, 10_000),
            10,
            "N",
            "answers that are streamed at the same time",
        ),
        (
            "--duration",
            number("--duration", 0.5, 7.4),
            4.0,
            "S",
            "seconds of streaming for each pair and value, in which each user joins once",
        ),
        (
            "--save-lag-ms",
            number("--save-lag-ms", 0, 10_000),
            5.0,
            "MS",
            "what the producer does between its two writes",
        ),
        (
            "--simulated",
            whole("--simulated", 100, 10_000_000),
            20_000,
            "N",
            "connections of a simulated point",
        ),
    ):
        parser.add_argument(
            option,
            type=type_,
            default=default,
            metavar=metavar,
            help=f"{help_} (default: %(default)g)",
        )


def run(args: argparse.Namespace) -> int:
    """Measure, print, draw; the exit code. Raises Chunk7Error for what ended it early."""
    # Imported here, because they bring pandas: not every subcommand should wait for that.
    from chunk7.analysis.figures.factors import factors
    from chunk7.analysis.figures.style import save
    from chunk7.analysis.sweep_table import sweep_table
    from chunk7.cluster.jobs.sweep.plan import chosen_cells
    from chunk7.cluster.jobs.sweep.sweep import check, open_sweep, without_invalid
    from chunk7.run_table import stdout_console
    from chunk7.sweep_tables import show

    cells = chosen_cells(args.connect, args.write)
    plan = _plan(args, cells)
    check(plan, cells)
    folder = args.out or Path("sweeps", time.strftime(f"%Y%m%dT%H%M%SZ-{args.seed}", time.gmtime()))
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
        show(sweep, folder, stdout_console())
    return 0 if sweep.valid else NOT_VALID


def _plan(args: argparse.Namespace, cells: "Cells") -> "SweepPlan":
    from chunk7.analysis.sweep_table import SweepPlan
    from chunk7.cluster.jobs.sweep.plan import chosen_ways

    given = vars(args)
    base = {name: float(given[f"base_{name}"]) for name in FACTORS}
    values = {name: given[f"values_{name}"] for name in FACTORS}
    return SweepPlan(
        seed=args.seed,
        by=chosen_ways(names(args.by)),
        cells=list(cells.cells),
        factors=chosen_factors(names(args.factor), values, base),
        base=base,
        nodes=args.nodes,
        sessions=args.sessions,
        duration_s=args.duration,
        save_lag_ms=args.save_lag_ms,
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
        with Follower(sweep.plan, cells, Console(stderr=True)) as follower:
            return measure(folder, sweep, cells, means, follower)
    except (KeyboardInterrupt, Interrupted):
        sys.stderr.write(
            f"what is finished is in {folder}; the same command with --out {folder} continues\n"
        )
        raise
