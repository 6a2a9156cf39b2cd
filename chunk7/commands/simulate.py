"""`chunk7 simulate`: a cluster in virtual time, seeded, to millions of connections."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chunk7.cluster.options import (
    Subparsers,
    add_json,
    add_out,
    add_seed,
    names,
    number,
    whole,
)
from chunk7.commands.run import THRESHOLD_HELP, add_cells, exit_code, warn_of_proof
from chunk7.console import stderr_console
from chunk7.faults import SPELLS
from chunk7.wire.folders import make_folder
from chunk7.wire.options import Parser
from chunk7.wire.whole_files import write_whole

if TYPE_CHECKING:
    from chunk7.analysis.results import Summary
    from chunk7.analysis.thresholds import Threshold
    from chunk7.simulation import Progressed
    from chunk7.simulator.virtual.claims import Claim
    from chunk7.simulator.virtual.settings import SimulationSettings
    from chunk7.wire.account import CellAccount

SUMMARY, SETTINGS = "summary.json", "settings.json"
"""What --out receives."""

PLAIN_WIDTH = 160
"""Columns of the table when it is not shown on a terminal: there may be millions of everything."""

LINE_EVERY_S = 10.0
"""How often a long cell says how far it is where no bar can."""

_DURATIONS = {
    "--store-latency-ms": "one way between a process and the store "
    "(default: lognormal(median_ms=0.5,sigma=0.5))",
    "--node-work-ms": "what a node does between its two steps (default: 0)",
    "--save-lag-ms": "what the producer does between its two writes (default: 0)",
    "--delivery-delay-ms": "store to node for a published chunk (default: as --store-latency-ms)",
}


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 simulate`. None stands for the preset's, or the usual, value."""
    parser = subparsers.add_parser(
        "simulate",
        description="Runs the ordering files against a cluster in virtual time. DIST is a number, "
        "constant(MS), uniform(LOW,HIGH), exponential(MEAN), lognormal(median_ms=M,sigma=S), "
        "empirical(V,V,...) or empirical(path=FILE).",
    )
    add_cells(parser)
    parser.add_argument("--preset", metavar="NAME", help="the bug report's: docs/seed-claims.md")
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="events: runs the ordering files; vectorised: their law on arrays (default: events)",
    )
    _add_numbers(parser)
    for option, choices in (
        ("--arrivals", "when chunks come: poisson, even, bursty, or DIST for the gaps' shape"),
        ("--joins", "uniform: --watchers for each answer; poisson: that many on average"),
    ):
        parser.add_argument(option, metavar="NAME", help=choices)
    for option, meaning in _DURATIONS.items():
        parser.add_argument(option, metavar="DIST", help=meaning)
    parser.add_argument(
        "--faults",
        action="append",
        default=[],
        metavar="NAME",
        help=f"{', '.join(SPELLS)}: each as NAME or NAME(EVERY_MS,FOR_MS) "
        "(default: 10000,200); repeatable",
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help=THRESHOLD_HELP,
    )
    add_seed(parser)
    add_out(parser, f"nowhere; with it, {SUMMARY} and {SETTINGS}")
    add_json(parser)


def _add_numbers(parser: argparse.ArgumentParser) -> None:
    """Counts and rates; their ranges are those of chunk7.simulator.virtual.settings."""
    for option, type_, help_ in (
        (
            "--connections",
            whole("--connections", 1, 10**9),
            "clients that join, each once a cell (default: 20000)",
        ),
        ("--nodes", whole("--nodes", 1, 10_000), "relay nodes (default: 3)"),
        (
            "--sessions",
            whole("--sessions", 1, 100_000),
            "answers that stream at the same time (default: 64)",
        ),
        (
            "--watchers",
            whole("--watchers", 1, 1_000_000),
            "clients that watch one answer together; on one node they share its subscription "
            "(default: 1)",
        ),
        (
            "--chunk-rate",
            number("--chunk-rate", 0.001, 1e6),
            "chunks a second while an answer streams (default: 50)",
        ),
        (
            "--message-chunks",
            whole("--message-chunks", 1, 100_000),
            "chunks of an answer, on average (default: 200)",
        ),
        (
            "--duty",
            number("--duty", 1e-6, 1),
            "fraction of joins that happen while the answer streams (default: 1)",
        ),
    ):
        parser.add_argument(option, type=type_, metavar="N", help=help_)


def run(args: argparse.Namespace) -> int:
    """Simulate, print, write; the exit code. Raises UsageError and OrderingError."""
    # Imported here, because they bring numpy: not every subcommand should wait.
    from chunk7.simulation import read_preset, read_settings, simulated, summary_of

    preset = read_preset(args.preset)
    settings = read_settings(args)
    if args.out:
        make_folder(args.out)
    thresholds = _thresholds(args.threshold)
    warn_of_proof(thresholds, settings.connections, "--connections {}")
    with _progress() as follow:
        cells = list(simulated(settings, names(args.connect), names(args.write), follow))
    summary = summary_of(cells, settings.seed, str(args.out or ""))
    document = msgspec.to_builtins(summary) | (
        {"claim": _claim(cells, preset.claim, settings.duty)} if preset else {}
    )
    if args.out:
        _write(args.out, document, settings)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
        sys.stdout.flush()
    else:
        _show(summary, document.get("claim"), args.out)
    return exit_code(summary, thresholds)


@contextmanager
def _progress() -> "Iterator[Callable[[Progressed], None]]":
    """On stderr: a bar on a terminal; elsewhere a line a cell, and now and then of a long one."""
    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    said_s = 0.0

    def follow(step: "Progressed") -> None:
        nonlocal said_s
        title = f"{step.number}/{step.cells} {step.name}"
        shown.update(
            bar, description=title, total=step.cells, completed=step.number - 1 + step.share
        )
        now_s = time.monotonic()
        late = step.share < 1 and now_s - said_s > LINE_EVERY_S
        if not console.is_terminal and (late or not step.share):
            said_s = now_s
            console.print(f"{title}, {step.share:.0%}" if step.share else title, soft_wrap=True)

    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        bar = shown.add_task("", total=None)
        yield follow


def _thresholds(texts: list[str]) -> "list[Threshold]":
    if not texts:
        return []
    from chunk7.analysis.thresholds import parse_threshold

    return [parse_threshold(text) for text in texts]


# --- what to say ---


def _claim(cells: "list[CellAccount]", claim: "Claim", duty: float) -> dict[str, Any]:
    """The report's claim, what its own pair of orderings comes to, and what the claim implies."""
    from chunk7.simulator.virtual.claims import implied_duty, implied_rate

    document: dict[str, Any] = {
        "title": claim.title,
        "loss_rate_low": claim.low,
        "loss_rate_high": claim.high,
        "window_ms": claim.window_ms,
        "loss_rate": None,
        "implied_duty": None,
        "implied_chunk_rate": None,
    }
    for cell in cells:
        if (cell.connect, cell.write) == ("history_then_subscribe", "publish_then_save"):
            shares = (claim.low, claim.high)
            gap_ms = cell.gap_ms.p50 or 0.0
            document |= {
                "loss_rate": cell.loss_rate,
                "implied_duty": [
                    implied_duty(share, (cell.loss_rate or 0.0) / duty) for share in shares
                ],
                "implied_chunk_rate": [implied_rate(share, gap_ms) for share in shares]
                if gap_ms > 0
                else None,
            }
    return document


def _show(summary: "Summary", claim: dict[str, Any] | None, out: Path | None) -> None:
    from chunk7.console import stdout_console
    from chunk7.run_table import show_results

    console = stdout_console(PLAIN_WIDTH)
    show_results(summary.results, console)
    if claim:
        console.print()
        for line in _claim_lines(claim):
            console.print(line, soft_wrap=True)
    if out:
        console.print(f"\nresults: {out}", soft_wrap=True)


def _claim_lines(claim: dict[str, Any]) -> Iterator[str]:
    low, high = (_percent(claim[f"loss_rate_{side}"]) for side in ("low", "high"))
    yield f"The bug report claims, for {claim['title']}: {low} to {high} of connections."
    if claim["loss_rate"] is None:
        return
    yield f"Its own orderings come out at {_percent(claim['loss_rate'])} here."
    least, most = claim["implied_duty"]
    if most is None:
        yield "The upper claim is out of reach, even if every client joins in an answer."
    elif least is not None:
        yield (
            f"For the claim, {_percent(least)} to {_percent(most)} of the joins would have to fall "
            "into a streaming answer (--duty),"
        )
    if claim["implied_chunk_rate"]:
        slow, fast = claim["implied_chunk_rate"]
        yield f"or, if all do, chunks would have to come at {slow:.2f} to {fast:.2f} a second."


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _write(folder: Path, document: dict[str, Any], settings: "SimulationSettings") -> None:
    from chunk7.simulator.virtual.settings import describe

    for name, content in ((SUMMARY, document), (SETTINGS, describe(settings))):
        text = msgspec.json.format(msgspec.json.encode(content), indent=2)
        write_whole(folder / name, text + b"\n")
