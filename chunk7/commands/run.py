"""`chunk7 run`: a local cluster, every ordering in turn under the same load, a table."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chunk7.cluster.options import Subparsers, add_json, add_out, whole
from chunk7.console import stderr_console
from chunk7.wire.options import Parser
from chunk7.wire.plan import add_options
from chunk7.wire.store.option import add_redis

if TYPE_CHECKING:
    from chunk7.analysis.results import Summary
    from chunk7.analysis.thresholds import Threshold
    from chunk7.cluster.jobs.run import ClusterKind

CROSSED, NOT_VALID = 99, 98
"""Exit codes: a threshold was crossed; the run, or a threshold, cannot be judged."""
THRESHOLD_HELP = (
    "e.g. 'loss_rate_high<=0.05', the upper end of the 95%% interval; repeatable; a crossed one "
    "ends in exit code 99"
)


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The main job and its options."""
    parser = subparsers.add_parser(
        "run",
        description="Starts a cluster, runs every ordering in turn under the same seed and "
        "load, and says which lose chunks.",
    )
    parser.add_argument(
        "--target",
        type=Path,
        metavar="FILE",
        help="join somebody else's back end, as this adapter says (docs/targets.md)",
    )
    add_cells(parser)
    add_kind(parser)
    add_cluster(parser)
    add_load(parser)
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help=THRESHOLD_HELP,
    )
    parser.add_argument(
        "--no-report",
        action="store_true",
        help="write no report.html and its like; `chunk7 report` can do so later",
    )
    add_out(parser, "runs/TIME-SEED")
    add_json(parser)


def add_cells(parser: argparse.ArgumentParser) -> None:
    """--connect, --write."""
    for option, side in (("--connect", "connect"), ("--write", "write")):
        parser.add_argument(
            option,
            action="append",
            metavar="NAME",
            help=f"{side} orderings: names, path/to/file.py:name, or all; repeatable, or commas",
        )


def add_kind(parser: argparse.ArgumentParser) -> None:
    """--cluster."""
    parser.add_argument(
        "--cluster",
        choices=("local", "compose"),
        default="local",
        help="local: processes of this machine; compose: containers (default: %(default)s)",
    )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """What the cluster is made of."""
    parser.add_argument(
        "--nodes",
        type=whole("--nodes", 1, 64),
        default=3,
        metavar="N",
        help="relay nodes behind the proxy (default: %(default)s)",
    )
    add_redis(parser, "use this store instead of one of our own, e.g. redis://HOST:PORT/DB")
    parser.add_argument(
        "--stream-max-entries",
        type=whole("--stream-max-entries", 1, 2**31 - 1),
        metavar="N",
        help="trim streams to their newest entries, with every append (default: never)",
    )


def add_load(parser: argparse.ArgumentParser) -> None:
    """The parameters of the plan, and what else the load is made of."""
    add_options(parser)
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME@AT[:KEY=VALUE,...]",
        help="what strikes every cell, this long after its start: node_kill@2s, "
        "store_latency@1s:for=500ms,ms=80; repeatable (docs/faults.md)",
    )
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="DIR",
        help="recorded answers to replay, one JSONL file each (default: the corpus included)",
    )
    parser.add_argument(
        "--processes",
        type=whole("--processes", 0, 64),
        default=0,
        metavar="N",
        help="Locust worker processes; 0: Locust in one process (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it; the exit code. Raises Chunk7Error for what ended the run early."""
    # Imported where they are needed: what judges and draws takes longer than a cluster to start.
    from chunk7.cluster.jobs.run import execute
    from chunk7.cluster.settings import read_settings

    settings = read_settings(args)
    plan = settings.plan
    warn_of_proof(settings.thresholds, plan.users * plan.slots, "--users {}", plan.slots)
    kind = kind_of_cluster("target" if settings.adapter else args.cluster)
    outcome = execute(settings, args.out, stderr_console(), kind)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(outcome.summary) + b"\n")
        sys.stdout.flush()
    else:
        from chunk7.console import stdout_console
        from chunk7.run_table import PLAIN_WIDTH, show

        show(outcome.summary, stdout_console(PLAIN_WIDTH))
        sys.stdout.flush()  # the report takes longer than reading this does to begin
    if outcome.error is not None:
        raise outcome.error
    code = exit_code(outcome.summary, settings.thresholds)
    if args.no_report:
        return code
    from chunk7.cluster.jobs.report import report_of_run

    report = report_of_run(outcome, settings.thresholds)
    if report is None:
        return code or 1
    if not args.json:
        sys.stdout.write(f"report: {report.html}\n")
    return code


def warn_of_proof(
    thresholds: "Sequence[Threshold]", connections: int, option: str, each: int = 1
) -> None:
    """Say on stderr which bounds so many connections a cell cannot prove, whatever comes out.

    `option` has a {} for the number that could, `each` are the connections that one of it makes.
    """
    from chunk7.analysis.thresholds import beyond_proof

    for threshold in thresholds:
        needed = beyond_proof(threshold, connections)
        if needed is not None:
            from chunk7.wire.intervals import score_interval

            high = score_interval(0, connections).high
            could = option.format(math.ceil(needed / each))
            sys.stderr.write(
                f"threshold cannot be proven: {threshold.text}: {connections:,} connections a cell "
                f"without a loss leave {100 * high:.2g}% possible; {could} could\n"
            )


def kind_of_cluster(name: str) -> "ClusterKind | None":
    """Docker's client is imported only for a compose cluster."""
    if name == "local":
        return None
    if name == "target":
        from chunk7.cluster.jobs.target import TARGET

        return TARGET
    from chunk7.cluster.deployments.compose import COMPOSE

    return COMPOSE


def exit_code(summary: "Summary", thresholds: "Sequence[Threshold]") -> int:
    """Whether the thresholds held, which only a valid run can tell; says so if they did not."""
    from chunk7.analysis.thresholds import evaluate

    if not summary.valid:
        return NOT_VALID
    held = evaluate(thresholds, summary.results)
    for sentence in held.crossed:
        sys.stderr.write(f"threshold crossed: {sentence}\n")
    for sentence in held.unknown:
        sys.stderr.write(f"threshold unknown: {sentence}\n")
    for sentence in held.unproven:
        sys.stderr.write(f"threshold not proven: {sentence}\n")
    if held.unknown:
        return NOT_VALID
    return CROSSED if held.crossed else 0
