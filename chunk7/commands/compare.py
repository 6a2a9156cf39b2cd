"""`chunk7 compare`: what run B does otherwise than run A, and whether it may be believed."""

import argparse
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from chunk7.cluster.options import Subparsers, add_json
from chunk7.commands.run import CROSSED, NOT_VALID
from chunk7.console import print_table, stdout_console
from chunk7.delivery.errors import RecordError, UsageError
from chunk7.wire.options import Parser

if TYPE_CHECKING:
    from chunk7.analysis.run_comparison import CellComparison, Comparison, MetricDifference
    from chunk7.analysis.study import Study

_WIDTH = 80
"""Of what goes to no terminal."""

_UNITS = {"loss_rate": "%", "chunk_loss_rate": "%", "duplicates": " a connection"}
"""Behind a number of the metric; the others are in ms."""

_STYLES = {"worse": "red", "better": "green"}


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 compare`."""
    parser = subparsers.add_parser(
        "compare",
        description="Compares each ordering that two runs have in common: what B does otherwise "
        "than A, with 95% intervals, corrected for the number of comparisons.",
    )
    for name in "ab":
        parser.add_argument(name, type=Path, metavar=name.upper(), help="a run folder")
    parser.add_argument(
        "--margin",
        action="append",
        default=[],
        metavar="METRIC=VALUE",
        help="a difference up to this does not matter, e.g. loss_rate=0.01; one of a time makes "
        "it count in the overall verdict; repeatable",
    )
    parser.add_argument(
        "--fail-on-worse", action="store_true", help="end in exit code 99 when B is worse"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print; the exit code. Raises UsageError for what is no run folder."""
    # Imported here, because it brings pandas: not every subcommand should wait for that.
    from chunk7.analysis.run_comparison import compare_runs

    margins = dict(map(_margin, args.margin))
    found = compare_runs(_study(args.a), _study(args.b), margins)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.flush()
    else:
        _show(found)
    if not found.valid or not found.cells:
        return NOT_VALID
    return CROSSED if args.fail_on_worse and found.verdict == "worse" else 0


def _margin(text: str) -> tuple[str, float]:
    from chunk7.analysis.run_comparison import MARGINS

    metric, _, number = text.partition("=")
    if metric not in MARGINS:
        raise UsageError(f"--margin {text}: want METRIC=VALUE, METRIC one of {', '.join(MARGINS)}")
    try:
        margin = float(number)
    except ValueError:
        margin = -1.0
    if not 0 <= margin < float("inf"):
        raise UsageError(f"--margin {text}: {number or 'nothing'} is not a number of 0 or more")
    return metric, margin


def _study(folder: Path) -> "Study":
    from chunk7.analysis.study import open_study

    try:
        return open_study(folder)
    except RecordError as error:
        raise UsageError(str(error)) from error


# --- what to say ---


def _show(found: "Comparison") -> None:
    console = stdout_console(_WIDTH)
    if found.cells:
        print_table(console, _table(found.cells), keep=1)
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False)


def _table(cells: "list[CellComparison]") -> Table:
    """A row a cell, under its connect ordering: who lost something. Fits into 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("connect\n  x write", overflow="fold")
    for heading in ("A: lossy\nof conn. %", "B: lossy\nof conn. %", "B - A\n(95%), points"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for connect, of_connect in groupby(cells, key=lambda cell: cell.connect):
        table.add_row(connect)
        for cell in of_connect:
            rate = cell.differences[0]
            table.add_row(
                f"  {cell.write}",
                _number("loss_rate", rate.a),
                _number("loss_rate", rate.b),
                _change(rate),
                rate.verdict,
                style=_STYLES.get(rate.verdict),
            )
    return table


def _lines(found: "Comparison") -> Iterator[str]:
    differing = [
        _sentence(cell, difference)
        for cell in found.cells
        for difference in cell.differences
        if difference.verdict not in ("no evidence", "run not valid")
    ]
    if differing:
        yield ""
        yield from differing
    yield ""
    for letter, run_ in (("A", found.a), ("B", found.b)):
        yield f"{letter}: {run_.run_dir}"
        if run_.only_here:
            yield f"Only {letter} has {', '.join(run_.only_here)}."
    how = "are pairs: same seed, same moments" if found.paired else "are not paired"
    why = f": {found.unpaired_because}" if found.unpaired_because else ""
    yield f"The joins {how}{why}."
    for line in found.changes:
        yield f"Changed: {line}"
    for line in found.warnings:
        yield f"WARNING: {line}. The difference may be due to it."
    yield from _verdict(found)


def _verdict(found: "Comparison") -> Iterator[str]:
    for letter, run_ in (("A", found.a), ("B", found.b)):
        for reason in run_.invalid_because:
            yield f"NOT VALID: {letter}: {reason}"
    if not found.valid:
        yield "No verdict: a run that is not valid proves nothing."
    elif not found.cells:
        yield "No verdict: the runs have no ordering in common."
    elif found.verdict == "no evidence":
        yield "Verdict: no evidence that B delivers better or worse than A."
    else:
        yield f"Verdict: B is {found.verdict} than A."


def _sentence(cell: "CellComparison", difference: "MetricDifference") -> str:
    metric, unit = difference.metric, _UNITS.get(difference.metric, " ms")
    a, b = (_number(metric, value) for value in (difference.a, difference.b))
    counts = "" if difference.decisive else ", not counted"
    return (
        f"{difference.verdict}{counts}: {cell.name}: {metric} {a} -> {b}{unit}, "
        f"difference {_change(difference)}"
    )


def _change(difference: "MetricDifference") -> str:
    """The difference and its interval, with signs."""
    low, high = (_number(difference.metric, end, "+") for end in (difference.low, difference.high))
    if difference.difference is None:
        return "-"
    return f"{_number(difference.metric, difference.difference, '+')} ({low} to {high})"


def _number(metric: str, value: float | None, sign: str = "") -> str:
    """In percent for rates; '?' for what is unknown or unbounded."""
    if value is None:
        return "?"
    if metric == "chunk_loss_rate":
        return f"{100 * value:{sign}.3f}"
    return f"{100 * value:{sign}.1f}" if metric == "loss_rate" else f"{value:{sign}.2f}"
