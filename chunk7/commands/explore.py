"""`chunk7 explore`: every interleaving of connect x write ordering, a matrix, counter-examples."""

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from chunk7.cluster.options import (
    Subparsers,
    add_fail_on,
    add_json,
    add_out,
    add_seed,
    fail_on,
    names,
    number,
    whole,
)
from chunk7.commands.run import CROSSED
from chunk7.console import fits, known_width, print_table, stdout_console
from chunk7.delivery.errors import UsageError
from chunk7.faults import STRIKES
from chunk7.simulator.explore import schedule as schedules
from chunk7.simulator.explore.company import ANY
from chunk7.simulator.explore.schedule import Failure
from chunk7.terms import TERMS, add_terms, in_words, terms
from chunk7.wire.folders import make_folder
from chunk7.wire.options import Parser
from chunk7.wire.visible import visible
from chunk7.wire.whole_files import write_whole

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from chunk7.exploration import Finding, Lived, Proved

Found = TypeVar("Found")

SCHEMA = 2
FAILURES = ("loses", "unknown")
"""Verdicts that --fail-on may name."""
UNPROVED = ("broken", "unknown")
"""The same with --properties."""
UNLIVELY = ("starves", "unfinished", "restless", "unknown")
"""The same with --liveness."""
MAX_JOBS = 1024
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
        metavar="N",
        help="chunks that the producer writes (default: 3; 2 with --survival)",
    )
    parser.add_argument(
        "--joiners",
        type=joiners,
        default=1,
        metavar="N",
        help="clients that join, at the same node: 1, 2, or any: one among any number of others "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--faults",
        action="append",
        metavar="NAME",
        help=f"faults that may strike once each, or NAME*N times: {', '.join(STRIKES)}; "
        "repeatable, or commas",
    )
    add_terms(parser)
    _add_questions(parser)
    _add_limits(parser)
    parser.add_argument(
        "--show",
        action="append",
        metavar="KIND",
        help=f"counter-examples to draw: {', '.join(Failure)}, or all; repeatable, or commas "
        "(default: lossy, else stuck)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also say how much was explored, and what never happened in any schedule",
    )
    add_fail_on(parser, (*FAILURES, *Failure), "pair")
    add_seed(parser)
    add_out(
        parser,
        "nowhere; with it, explore.json and a schedule for each kind of failure; "
        "survival.json and one for each fault with --survival; liveness.json, properties.json",
    )
    add_json(parser)


def _add_questions(parser: Parser) -> None:
    """What else than the matrix may be asked for, one at a time."""
    parser.add_argument(
        "--survival",
        action="store_true",
        help="explore each of --faults by itself (default: all), and say which pair keeps "
        "everything under which",
    )
    parser.add_argument(
        "--liveness",
        action="store_true",
        help="let heartbeats go on for ever, and ask whether in the end every client has "
        f"everything, and knows that it is over; for --fail-on: {', '.join(UNLIVELY)}",
    )
    parser.add_argument(
        "--properties",
        type=Path,
        metavar="FILE",
        help="hold the properties in this file (docs/exploration.md) against all that a reader is "
        f"shown; for --fail-on: {', '.join(UNPROVED)}",
    )
    parser.add_argument(
        "--case",
        action="append",
        metavar="NAME",
        help="explore a bug that somebody really shipped, and what became of it "
        "(docs/field-cases.md), or all; repeatable, or commas",
    )
    parser.add_argument(
        "--promela",
        type=Path,
        metavar="FILE",
        help="write the one pair named as a model for SPIN, and explore nothing",
    )


def _add_limits(parser: Parser) -> None:
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
    parser.add_argument(
        "--jobs",
        type=whole("--jobs", 1, MAX_JOBS),
        metavar="N",
        help="processes that explore at once (default: one a core)",
    )


def joiners(text: str) -> int:
    """--joiners: how many, ANY for any number. Raises UsageError."""
    if text == "any":
        return ANY
    if text not in map(str, range(1, schedules.MAX_JOINERS + 1)):
        raise UsageError(f"--joiners {text}: must be between 1 and {schedules.MAX_JOINERS}, or any")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Explore, print, write; the exit code. Raises UsageError and OrderingError."""
    # Imported here: the help should not wait for what explores.
    from chunk7.exploration import explored
    from chunk7.simulator.explore.search import SearchLimits

    modes = {
        "--survival": (args.survival, _survival),
        "--liveness": (args.liveness, _liveness),
        "--properties": (args.properties, _properties),
        "--promela": (args.promela, _promela),
        "--case": (args.case, _cases),
    }
    chosen = [(option, way) for option, (is_so, way) in modes.items() if is_so]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[1][0]}: not with {chosen[0][0]}: one at a time")
    if chosen:
        return chosen[0][1](args)
    show, failures = _kinds(args.show), fail_on(args.fail_on, (*FAILURES, *Failure))
    found = explored(
        names(args.connect),
        names(args.write),
        names(args.faults),
        chunks(args),
        args.joiners,
        SearchLimits(args.max_schedules, args.max_seconds),
        args.jobs or cores(),
        **terms(args),
    )
    findings = list(_watched(found))
    document = {"schema": SCHEMA, "cells": [finding.document for finding in findings]}
    if args.out:
        _write(args.out, findings, document)
    crossed = [finding for finding in findings if _fails(finding, failures)]
    code = CROSSED if crossed else 0
    if args.json:
        sys.stdout.write(json.dumps(document) + "\n")
        return code
    console = stdout_console(PLAIN_WIDTH)
    _print(console, findings, _heading(_size(args), findings), _counts(findings))
    if args.verbose:
        _print(console, findings, "explored", _COVERAGE)
    _draw(findings, show)
    _sum_up(findings)
    return code


def _fails(finding: "Finding", failures: Sequence[str]) -> bool:
    """Whether the pair comes to one of these verdicts, or has a schedule that fails so."""
    return finding.verdict in failures or any(finding.document.get(kind) for kind in failures)


def cores() -> int:
    """How many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def chunks(args: argparse.Namespace) -> int:
    """--chunks, or its default."""
    return int(args.chunks or (2 if args.survival else 3))


def _survival(args: argparse.Namespace) -> int:
    """Every pair under each fault; the exit code, as of `run`."""
    from chunk7.exploration import surviving
    from chunk7.simulator.explore.search import SearchLimits
    from chunk7.survival_table import show_survival, write_schedules

    useless = ("show", "verbose", "replica", "client", "contract")
    _refuse(args, "--survival; explore the fault by itself", useless)
    if args.joiners == ANY:
        raise UsageError("--joiners any: not with --survival: faults strike")
    failures = fail_on(args.fail_on, FAILURES)
    size = chunks(args), args.joiners
    limits = SearchLimits(args.max_schedules, args.max_seconds)
    pairing = names(args.connect), names(args.write)
    found = surviving(
        *pairing, names(args.faults), *size, limits, args.jobs or cores(), **terms(args)
    )
    rows = list(_watched(found))
    if not _written(args, "survival", [row.document() for row in rows]):
        title = f"{_size(args)}, one fault at a time"
        show_survival(rows, title, stdout_console(PLAIN_WIDTH))
    if args.out:
        write_schedules(rows, args.out)
    return CROSSED if any(row.verdict in failures for row in rows) else 0


def _liveness(args: argparse.Namespace) -> int:
    """Where fair runs of every pair end; the exit code, as of `run`."""
    from chunk7.exploration import lived
    from chunk7.liveness_table import show_liveness
    from chunk7.simulator.explore.search import SearchLimits

    _refuse(args, "--liveness", ("show", "verbose"))
    failures = fail_on(args.fail_on, UNLIVELY)
    size = chunks(args), args.joiners
    limits = SearchLimits(args.max_schedules, args.max_seconds)
    pairing = names(args.connect), names(args.write), names(args.faults)
    rows = list(_watched(lived(*pairing, *size, limits, args.jobs or cores(), **terms(args))))
    if not _written(args, "liveness", [row.document for row in rows]):
        show_liveness(rows, _heading(_size(args), rows), stdout_console(PLAIN_WIDTH))
    return CROSSED if any(row.document["verdict"] in failures for row in rows) else 0


def _properties(args: argparse.Namespace) -> int:
    """Hold somebody's own properties against every pair; the exit code, as of `run`."""
    from chunk7.exploration import proved
    from chunk7.properties_table import show_properties
    from chunk7.simulator.explore.search import SearchLimits

    _refuse(args, "--properties", ("show", "verbose"))
    if args.joiners == ANY:
        raise UsageError("--joiners any: not with --properties")
    failures = fail_on(args.fail_on, UNPROVED)
    size = chunks(args), args.joiners
    limits = SearchLimits(args.max_schedules, args.max_seconds)
    pairing = names(args.connect), names(args.write), names(args.faults)
    found = proved(args.properties, *pairing, *size, limits, args.jobs or cores(), **terms(args))
    rows = list(_watched(found))
    if not _written(args, "properties", [row.document for row in rows]):
        show_properties(rows, _heading(_size(args), rows), stdout_console(PLAIN_WIDTH))
    verdicts = {word for row in rows for word in row.document["properties"].values()}
    return CROSSED if verdicts.intersection(failures) else 0


def _cases(args: argparse.Namespace) -> int:
    """Tell of field cases; 0."""
    from chunk7.museum import told
    from chunk7.simulator.explore.search import SearchLimits

    _refuse(args, "--case", ("connect", "write", "faults", "show", "verbose", "fail_on", "out"))
    _refuse(args, "--case", TERMS)
    limits = SearchLimits(args.max_schedules, args.max_seconds)
    cases = told(names(args.case), limits, args.jobs or cores())
    if args.json:
        documents = [case.document() for case in _watched(cases)]
        sys.stdout.write(json.dumps({"schema": SCHEMA, "cases": documents}) + "\n")
        return 0
    console = stdout_console(PLAIN_WIDTH)
    for case in cases:
        case.show(console)
    return 0


def _promela(args: argparse.Namespace) -> int:
    """Write a pair's model. Raises UsageError for several pairs and for what it cannot have."""
    from chunk7.exploration import one_cell
    from chunk7.simulator.explore.promela import promela

    _refuse(args, "--promela", ("show", "verbose", "json", "out", "fail_on", "client"))
    pairing = names(args.connect), names(args.write), names(args.faults)
    text = promela(one_cell("--promela", *pairing, chunks(args), args.joiners, **terms(args)))
    write_whole(args.promela, text)
    sys.stdout.write(f"{args.promela}: its first lines say how to ask SPIN\n")
    return 0


def _written(args: argparse.Namespace, name: str, rows: list[dict[str, Any]]) -> bool:
    """The rows to a file of that name with --out, to stdout with --json; whether to stdout."""
    text = json.dumps({"schema": SCHEMA, name: rows}) + "\n"
    if args.out:
        make_folder(args.out)
        write_whole(args.out / f"{name}.json", text)
    if args.json:
        sys.stdout.write(text)
    return bool(args.json)


def _refuse(args: argparse.Namespace, mode: str, options: tuple[str, ...]) -> None:
    """Raises UsageError for an option that this way to explore has no use for."""
    for option in options:
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')}: not with {mode}")


def _kinds(values: list[str] | None) -> list[Failure]:
    wanted = names(values)
    for kind in wanted:
        if kind not in (*Failure, "all"):
            raise UsageError(f"--show {kind}: one of {', '.join(Failure)}, all")
    return [kind for kind in Failure if kind in wanted or "all" in wanted]


def _watched(found: "Iterator[Found]") -> "Iterator[Found]":
    """The same, with a progress line on a terminal's stderr."""
    from rich.progress import track

    from chunk7.console import stderr_console

    console = stderr_console()
    hidden = not console.is_terminal
    return iter(track(found, "exploring", console=console, transient=True, disable=hidden))


# --- what to say ---


def _heading(size: str, findings: "Sequence[Finding | Lived | Proved]") -> str:
    faults = findings[0].document["faults"]
    return f"{size}, faults: {', '.join(faults)}" if faults else size


def _size(args: argparse.Namespace) -> str:
    count, joiners = chunks(args), args.joiners
    clients = f"{joiners} client{'s' * (joiners != 1)}" if joiners else "any number of clients"
    return f"{count} chunk{'s' * (count != 1)}, {clients}{in_words(terms(args))}"


_COUNTS = {
    "schedules": "sche-\ndules",
    Failure.LOSSY.value: "los-\ning",
    Failure.DUPLICATING.value: "dupli-\ncating",
    Failure.OUT_OF_ORDER.value: "reor-\ndering",
    Failure.REWINDING.value: "rewin-\nding",
    Failure.STUCK.value: "stuck",
}
_COVERAGE = {"states": "states", "transitions": "tran-\nsitions", "depth": "depth"}
"""By field of a cell, the heading where it is narrow."""
_WIDE = {Failure.LOSSY.value: "losing", Failure.OUT_OF_ORDER.value: "reordering"}
"""Headings that are not the field's name."""
_TOLD = {
    Failure.UNFINISHED.value: "un-\nfinished",
    Failure.FALSE_END.value: "false\nend",
    Failure.TOLD_RECOVERED.value: "told re-\ncovered",
    Failure.FOREIGN.value: "for-\neign",
}
"""The same for what only some cells can have."""
_STYLES = {"lossless": "green", "loses": "red", "unknown": "yellow"}


def _counts(findings: "list[Finding]") -> dict[str, str]:
    """The columns: those that every cell has, and those that some of these have."""
    had = {name for finding in findings for name in finding.document}
    return _COUNTS | {name: heading for name, heading in _TOLD.items() if name in had}


def _print(
    console: "Console", findings: "list[Finding]", title: str, counts: dict[str, str]
) -> None:
    """A row a cell with its counts, and its verdict or what never happened; as wide as there is."""
    wide = _wide(findings, title, counts)
    if fits(wide, console):
        console.print(wide)
    else:
        print_table(console, _narrow(findings, title, counts), keep=2)


def _wide(findings: "list[Finding]", title: str, counts: dict[str, str]) -> "Table":
    """The table with its names in columns of their own."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    both = _both_clients(findings)
    for column in (*_names(both), *(["verdict"] if counts is not _COVERAGE else [])):
        table.add_column(column, no_wrap=True)
    for name in counts:
        table.add_column(_WIDE.get(name, name), justify="right", no_wrap=True)
    if counts is _COVERAGE:
        table.add_column("never happened")
    for finding in findings:
        cell = finding.document
        numbers = [_count(cell.get(name), cell["complete"]) for name in counts]
        fields = [_verdict(cell), *numbers] if counts is not _COVERAGE else [*numbers, _never(cell)]
        table.add_row(*_named(cell, both), *fields)
    return table


def _narrow(findings: "list[Finding]", title: str, counts: dict[str, str]) -> "Table":
    """For 80 columns and less: cells under their connect ordering, numbers short."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("connect\n  x write", overflow="fold")
    if counts is not _COVERAGE:
        table.add_column("verdict", no_wrap=True)
    for heading in counts.values():
        table.add_column(heading, justify="right", no_wrap=True)
    if counts is _COVERAGE:
        table.add_column("never happened", overflow="fold")
    both = _both_clients(findings)
    for connect, of_connect in groupby(findings, key=lambda finding: finding.document["connect"]):
        table.add_row(connect)
        for finding in of_connect:
            cell = finding.document
            again = f", {_named(cell, both)[2]}" if both else ""
            numbers = [_short(cell.get(name), cell["complete"]) for name in counts]
            fields = (
                [_verdict(cell), *numbers] if counts is not _COVERAGE else [*numbers, _never(cell)]
            )
            table.add_row(f"  {cell['write']}{again}", *fields)
    return table


def _verdict(cell: dict[str, Any]) -> "Text":
    from rich.text import Text

    return Text(cell["verdict"], _STYLES[cell["verdict"]])


def _never(cell: dict[str, Any]) -> str:
    return ", ".join(cell["never"]) or "-"


def _both_clients(findings: "list[Finding]") -> bool:
    """Whether there are cells whose clients start over, beside those whose clients resume."""
    return not all(finding.document["resumes"] for finding in findings)


def _names(both: bool) -> list[str]:
    return ["connect", "write", *(["again"] if both else [])]


def _named(cell: dict[str, Any], both: bool) -> list[str]:
    again = "resumes" if cell["resumes"] else "starts over"
    return [cell["connect"], cell["write"], *([again] if both else [])]


def _draw(findings: "list[Finding]", show: list[Failure]) -> None:
    """The drawings asked for, each schedule once; and how often there is something else to draw."""
    left: Counter[Failure] = Counter()
    width = known_width()
    for finding in findings:
        wanted = show or finding.by_default
        left.update(finding.examples.keys() - set(wanted))
        shown: list[schedules.Schedule] = []
        for kind in wanted:
            if kind in finding.examples:
                example, drawing = finding.examples[kind]
                if example not in shown:
                    sys.stdout.write(visible("\n" + drawing.text(width)))
                    shown.append(example)
    others = ", ".join(f"{kind} in {left[kind]}" for kind in Failure if left[kind])
    if others and not show:
        sys.stdout.write(f"\nalso found, drawn by --show: {others}\n")


def _sum_up(findings: "list[Finding]") -> None:
    cells = [finding.document for finding in findings]
    verdicts = [cell["verdict"] for cell in cells]
    summary = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
    states = sum(cell["states"] for cell in cells)
    transitions = sum(cell["transitions"] for cell in cells)
    seconds = sum(finding.seconds for finding in findings)
    sys.stdout.write(
        f"\n{len(cells)} cell{'s' * (len(cells) != 1)}: {summary}; "
        f"{states} states, {transitions} transitions in {seconds:.2f} s\n"
    )
    partly = [cell for cell in cells if cell.get("by_company") and not cell["complete"]]
    if partly:
        sys.stdout.write(
            f"{len(partly)} of them by one client that speaks for any number: not all of their "
            "schedules were walked\n"
        )


def _count(count: int | None, complete: bool) -> str:
    """A count that a person can read; `>=` where the bound was reached, `-` where it cannot be."""
    if count is None:
        return "-"
    text = f"{count:,}" if count < 10_000_000 else f"{count:.1e}"
    return text if complete else f">= {text}"


def _short(count: int | None, complete: bool) -> str:
    """The same in six columns."""
    if count is None:
        return "-"
    for unit, size in (("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if count < 1_000 * size:
            text = f"{count / size:.3g}{unit}"
            break
    else:
        text = f"{count:.0e}".replace("e+", "e")
    return text if complete else f">={text}"


def _write(folder: Path, findings: "list[Finding]", document: dict[str, Any]) -> None:
    """explore.json, and CONNECT-WRITE-KIND.json (a schedule) and .txt (its drawing).

    The name of one whose client starts over has -starts-over before its kind.
    """
    make_folder(folder)
    write_whole(folder / "explore.json", json.dumps(document) + "\n")
    for finding in findings:
        cell = finding.document
        for kind, (example, drawing) in finding.examples.items():
            again = "" if cell["resumes"] else "-starts-over"
            name = f"{cell['connect']}-{cell['write']}{again}-{kind}"
            name = re.sub(r"[^\w-]+", "_", name)
            schedules.dump(example, folder / f"{name}.json")
            write_whole(folder / f"{name}.txt", drawing.text())
