# ruff: noqa: N999 - a subcommand's module has its name, and is imported by it
"""`chunk7 import`: answers for the producer to replay, of recordings and timed exports."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chunk7.cluster.options import Subparsers, add_json, number
from chunk7.commands.judge import add_reading, read
from chunk7.delivery.errors import UsageError
from chunk7.wire.folders import make_empty
from chunk7.wire.options import Parser
from chunk7.wire.whole_files import write_whole

if TYPE_CHECKING:
    from chunk7.instruments.recordings.timed_answers import TimedAnswer

MOST_ANSWERS = 10_000


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 import`."""
    parser = subparsers.add_parser(
        "import",
        description="Writes the answers in a recording, or in an export of genai-perf or of vLLM's "
        "benchmark, as the JSON lines that --answers replays.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording or an export")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new or empty folder"
    )
    parser.add_argument(
        "--gap-ms",
        type=number("--gap-ms", 0, 60_000),
        metavar="MS",
        help="between two chunks, for a recording without instants",
    )
    add_reading(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the folder and say what is in it. Raises UsageError for what has no answer."""
    from chunk7.instruments.recordings.timed_answers import exported_answers, recorded_answers
    from chunk7.producer.answers import read_answers

    export = None if args.format else exported_answers(args.file)
    if export is not None:
        what, answers = export
    else:
        recording = read(args.file, args.format, args.target, args)
        answers = recorded_answers(recording, args.gap_ms)
        what = f"{recording.recording.format}, read by {recording.rules}"
    if not 0 < len(answers) <= MOST_ANSWERS:
        raise UsageError(f"{args.file}: has {len(answers)} answers, not 1 to {MOST_ANSWERS}")
    _write(args.out, args.file.name.partition(".")[0] or "answer", answers)
    read_answers(args.out)  # what was written is what the producer takes, or it says why not
    chunks = sum(len(answer.chunks) for answer in answers)
    if args.json:
        document = {"schema": 1, "from": what, "out": str(args.out)}
        document |= {"answers": len(answers), "chunks": chunks}
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        sys.stdout.write(
            f"{args.file}: {what}\n{args.out}: answers: {len(answers)}, chunks: {chunks}; replay "
            f"with chunk7 run --answers {args.out}\n"
        )
    return 0


def _write(folder: Path, stem: str, answers: "list[TimedAnswer]") -> None:
    make_empty(folder)
    for n, answer in enumerate(answers, 1):
        lines = [
            msgspec.json.encode({"text": text, "at_ms": at_ms}) for text, at_ms in answer.chunks
        ]
        write_whole(folder / f"{stem}-{n:04}.jsonl", b"\n".join(lines) + b"\n")
