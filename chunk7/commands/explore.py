"""`chunk7 explore`: every interleaving of connect x write ordering, a matrix, counter-examples."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

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
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering, pair
from chunk7.delivery.registry import Ordering, resolve
from chunk7.faults import STRIKES
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore import schedule as schedules
from chunk7.simulator.explore.drawing import draw, rerun
from chunk7.simulator.explore.guard import guarded
from chunk7.simulator.explore.search import Limits, explore
from chunk7.simulator.explore.state import Cell
from chunk7.wire.options import Parser

SCHEMA = 1
PLAIN_WIDTH = 140
"""Columns of the table when it is not shown on a terminal."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell's result as values that cross a process boundary."""

    document: dict[str, Any]
    drawing: str | None
    counterexample: schedules.Schedule | None
    steps: int
    seconds: float


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 explore`."""
    parser = subparsers.add_parser(
        "explore",
        help="try every interleaving of the orderings; matrix and shortest counter-examples",
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
    faults = _faults(args.faults)
    connects = _specs("--connect", args.connect, CONNECT_ORDERINGS)
    writes = _specs("--write", args.write, WRITE_ORDERINGS)

    def job(tick: Callable[[], None]) -> Iterator[Finding]:
        limits = Limits(args.max_schedules, args.max_seconds, tick)
        for connect, write in _pairs(connects, writes):
            cell = Cell(connect, write, args.chunks, args.joiners, faults)
            for each in cell.with_each_client():
                yield _find(each, limits)

    foreign = {*connects, *writes} - {*CONNECT_ORDERINGS, *WRITE_ORDERINGS}
    findings = _watched(guarded(job) if foreign else job(lambda: None))
    document = {"schema": SCHEMA, "cells": [finding.document for finding in findings]}
    if args.out:
        _write(args.out, findings, document)
    if args.json:
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        _print(findings, _heading(args.chunks, args.joiners, faults))
    return 0


# --- what to explore ---


def _faults(values: list[str] | None) -> tuple[str, ...]:
    wanted = names(values)
    for name in wanted:
        if name not in STRIKES:
            raise UsageError(f"--faults {name}: one of {', '.join(STRIKES)}")
    return tuple(name for name in STRIKES if name in wanted)


def _specs(option: str, values: list[str] | None, registry: Mapping[str, Any]) -> list[str]:
    """The specs that an option names. Files are not loaded yet: that is other people's code."""
    wanted = names(values) or ["all"]
    for spec in wanted:
        if spec != "all" and spec not in registry and ".py:" not in spec:
            allowed = ", ".join(registry)
            raise UsageError(f"{option} {spec}: one of {allowed}, path/to/file.py:name, or all")
    specs = [name for spec in wanted for name in (registry if spec == "all" else [spec])]
    return list(dict.fromkeys(specs))


def _pairs(connects: list[str], writes: list[str]) -> list[tuple[ConnectOrdering, WriteOrdering]]:
    """Every pair that uses one feed, each ordering named as the user named it."""
    pairs = [
        (connect, write)
        for connect in _resolved("--connect", connects, CONNECT_ORDERINGS, ConnectOrdering)
        for write in _resolved("--write", writes, WRITE_ORDERINGS, WriteOrdering)
        if pair(connect, write)
    ]
    if not pairs:
        raise UsageError(
            f"--connect {','.join(connects)} pairs with none of --write {','.join(writes)}: "
            "one uses Pub/Sub, the other a stream"
        )
    return pairs


def _resolved(
    option: str, specs: list[str], registry: Mapping[str, Ordering], kind: type[Ordering]
) -> list[Ordering]:
    return [replace(resolve(spec, registry, kind, option), name=spec) for spec in specs]


def _find(cell: Cell, limits: Limits) -> Finding:
    result = explore(cell, limits)
    example = result.counterexample
    drawing = draw(rerun(replace(cell, chunks=example.chunks), example)) if example else None
    return Finding(result.document(), drawing, example, result.search.steps, result.seconds)


def _watched(findings: Iterator[Finding]) -> list[Finding]:
    """All of them, with a progress line on a terminal's stderr."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return list(track(findings, "exploring", console=console, transient=True, disable=hidden))


# --- what to say ---


def _heading(chunks: int, joiners: int, faults: tuple[str, ...]) -> str:
    clients = f"{joiners} client{'s' * (joiners != 1)}"
    troubles = f", faults: {', '.join(faults)}" if faults else ""
    return f"{chunks} chunk{'s' * (chunks != 1)}, {clients}{troubles}"


def _print(findings: list[Finding], heading: str) -> None:
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


def _write(folder: Path, findings: list[Finding], document: dict[str, Any]) -> None:
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
