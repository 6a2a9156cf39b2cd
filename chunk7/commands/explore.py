"""`chunk7 explore`: every interleaving of connect x write ordering, a matrix, counter-examples."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunk7.cluster.options import (
    Subparsers,
    add_json,
    add_out,
    add_seed,
    names,
    number,
    whole,
)
from chunk7.delivery.errors import UsageError
from chunk7.faults import STRIKES
from chunk7.simulator.explore import schedule as schedules
from chunk7.wire.options import Parser

if TYPE_CHECKING:
    from chunk7.exploration import Finding

SCHEMA = 1
PLAIN_WIDTH = 140
"""Columns of the table when it is not shown on a terminal."""


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 explore`."""
    parser = subparsers.add_parser(
        "explore",
        description="Executes the ordering files in every interleaving of their events, without "
        "a network or a clock, and says which pairs can lose a chunk, and how.",
    )
    for option, side in (("--connect", "connect"), ("--write", "write")):
        parser.add_argument(
            option,
            action="append",
            metavar="NAME",
            help=f"{side} orderings: names, path/to/file.py:name, or all; repeatable, or commas "
            "(default: all)",
        )
    parser.add_argument(
        "--chunks",
        type=whole("--chunks", 1, schedules.MAX_CHUNKS),
        default=3,
        metavar="N",
        help="chunks that the producer writes (default: %(default)s)",
    )
    parser.add_argument(
        "--joiners",
        type=whole("--joiners", 1, schedules.MAX_JOINERS),
        default=1,
        metavar="N",
        help="clients that join, at the same node (default: %(default)s)",
    )
    parser.add_argument(
        "--faults",
        action="append",
        metavar="NAME",
        help=f"faults that may strike once each: {', '.join(STRIKES)}; repeatable, or commas",
    )
    parser.add_argument(
        "--max-schedules",
        type=whole("--max-schedules", 1, 10**9),
        default=1_000_000,
        metavar="N",
        help="walks a cell, each to an end or a known state, before the verdict is unknown "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--max-seconds",
        type=number("--max-seconds", 0.001, 86_400),
        default=60.0,
        metavar="S",
        help="time a cell, before the verdict is unknown (default: %(default)g)",
    )
    add_seed(parser)
    add_out(parser, "nowhere; with it, explore.json and one schedule a counter-example")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Explore, print, write; 0. Raises UsageError and OrderingError."""
    # Imported here: the help should not wait for what explores.
    from chunk7.exploration import explored
    from chunk7.simulator.explore.search import Limits

    found = explored(
        names(args.connect),
        names(args.write),
        names(args.faults),
        args.chunks,
        args.joiners,
        Limits(args.max_schedules, args.max_seconds),
    )
    findings = _watched(found)
    document = {"schema": SCHEMA, "cells": [finding.document for finding in findings]}
    if args.out:
        _write(args.out, findings, document)
    if args.json:
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        _print(findings, _heading(args.chunks, args.joiners, findings))
    return 0


def _watched(findings: "Iterator[Finding]") -> "list[Finding]":
    """All of them, with a progress line on a terminal's stderr."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not console.is_terminal
    return list(track(findings, "exploring", console=console, transient=True, disable=hidden))


# --- what to say ---


def _heading(chunks: int, joiners: int, findings: "list[Finding]") -> str:
    faults = findings[0].document["faults"]
    clients = f"{joiners} client{'s' * (joiners != 1)}"
    troubles = f", faults: {', '.join(faults)}" if faults else ""
    return f"{chunks} chunk{'s' * (chunks != 1)}, {clients}{troubles}"


def _print(findings: "list[Finding]", heading: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    table = Table(title=heading, title_justify="left")
    both = not all(finding.document["resumes"] for finding in findings)
    for column in ("connect", "write", *(["again"] if both else []), "verdict"):
        table.add_column(column, no_wrap=True)
    for column in ("schedules", "losing", "duplicating", "reordering", "stuck"):
        table.add_column(column, justify="right", no_wrap=True)
    for finding in findings:
        cell = finding.document
        style = {"lossless": "green", "loses": "red", "unknown": "yellow"}[cell["verdict"]]
        counts = ("schedules", "lossy", "duplicating", "out_of_order", "stuck")
        table.add_row(
            cell["connect"],
            cell["write"],
            *(["resumes" if cell["resumes"] else "starts over"] if both else []),
            f"[{style}]{cell['verdict']}[/]",
            *(_count(cell[name], cell["complete"]) for name in counts),
        )
    console.print(table)
    for finding in findings:
        if finding.drawing:
            sys.stdout.write("\n" + finding.drawing)
    steps = sum(finding.steps for finding in findings)
    seconds = sum(finding.seconds for finding in findings)
    verdicts = [finding.document["verdict"] for finding in findings]
    summary = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    cells = f"{len(findings)} cell{'s' * (len(findings) != 1)}"
    sys.stdout.write(f"\n{cells}: {summary}; {steps} steps in {seconds:.2f} s\n")


def _count(count: int, complete: bool) -> str:
    """A count that a person can read; `>=` where the bound was reached."""
    text = f"{count:,}" if count < 10_000_000 else f"{count:.1e}"
    return text if complete else f">= {text}"


def _write(folder: Path, findings: "list[Finding]", document: dict[str, Any]) -> None:
    """explore.json, and for the broken CONNECT-WRITE.json (a schedule) and .txt (its drawing).

    The name of one whose client starts over ends with -starts-over.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "explore.json").write_text(json.dumps(document) + "\n")
        for finding in findings:
            if finding.counterexample and finding.drawing:
                cell = finding.document
                name = re.sub(r"[^\w-]+", "_", f"{cell['connect']}-{cell['write']}")
                name += "" if cell["resumes"] else "-starts-over"
                schedules.dump(finding.counterexample, folder / f"{name}.json")
                (folder / f"{name}.txt").write_text(finding.drawing)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error
