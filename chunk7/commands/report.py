"""`chunk7 report`: a run folder as one HTML page, a Markdown summary, JUnit XML and figures."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chunk7.cluster.options import Subparsers, add_json, add_out
from chunk7.commands.run import exit_code
from chunk7.wire.options import Parser
from chunk7.wire.visible import visible

if TYPE_CHECKING:
    from chunk7.analysis.report import Report
    from chunk7.analysis.results import Summary

SCHEMA = 1


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 report`."""
    parser = subparsers.add_parser(
        "report",
        description="Judges a run folder again and writes report.html, which needs nothing else, "
        "report.md, junit.xml and figures/, in place of earlier ones.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="e.g. 'loss_rate_high<=0.05'; repeatable; instead of those that the run was started "
        "with",
    )
    add_out(parser, "RUN itself")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write and say where; the exit code of the run. Raises UsageError for what is no run."""
    # Imported here, because they bring pandas: not every subcommand should wait for that.
    from chunk7.analysis.thresholds import parse_threshold
    from chunk7.cluster.jobs.report import make_report, open_run, thresholds_of

    given = [parse_threshold(text) for text in args.threshold]
    study = open_run(args.run)
    thresholds = thresholds_of(study, given)
    report = make_report(study, args.out or args.run, thresholds)
    if args.json:
        sys.stdout.write(_document(study.summary, report) + "\n")
    else:
        sys.stdout.write(visible(_text(study.summary, report)))
    return exit_code(study.summary, thresholds)


def _document(summary: "Summary", report: "Report") -> str:
    document = {
        "schema": SCHEMA,
        "valid": summary.valid,
        "invalid_because": summary.invalid_because,
        "html": str(report.html),
        "markdown": str(report.markdown),
        "junit": str(report.junit),
        "figures": [str(path) for path in report.figures],
    }
    return msgspec.json.encode(document).decode()


def _text(summary: "Summary", report: "Report") -> str:
    from chunk7.analysis.report.words import headline

    lines = [f"{headline(summary)}."]
    lines += [f"NOT VALID: {reason}" for reason in summary.invalid_because]
    lines += ["", str(report.html), str(report.markdown), str(report.junit)]
    lines += [str(path) for path in report.figures]
    return "\n".join(lines) + "\n"
