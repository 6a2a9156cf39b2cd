"""`chunk7 judge`: one recording of an answer held against another, no system running."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chunk7.cluster.options import Subparsers, add_fail_on, add_json, add_out, fail_on, whole
from chunk7.commands.run import CROSSED, NOT_VALID
from chunk7.delivery.errors import UsageError
from chunk7.wire.options import Parser
from chunk7.wire.visible import visible

if TYPE_CHECKING:
    from chunk7.instruments.recordings.judgement import JudgeDocument, JudgedStretch
    from chunk7.instruments.recordings.reading import ReadRecording
    from chunk7.loadtest.targets.adapter import Adapter

FAILURES = ("lost", "duplicate", "out_of_order", "unexpected")
KNOWN, PAYLOAD = "known", "payload"
"""Of the expected recording: it needs no adapter; the target's own says how chunks are written."""
_SHOWN = 20
"""Stretches of a kind that are printed; --json has all."""


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 judge`."""
    parser = subparsers.add_parser(
        "judge",
        description="Holds one recording of an answer against another, of two clients or of a "
        "client and the store, and says what was lost, doubled, out of order or altered, and "
        "where. No system has to run.",
    )
    for side, what in (("expected", "what should have come"), ("received", "what did come")):
        parser.add_argument(
            f"--{side}", type=Path, required=True, metavar="FILE", help=f"a recording of {what}"
        )
    for side in ("expected", "received"):
        parser.add_argument(
            f"--{side}-format", metavar="NAME", help="of that recording alone, as --format"
        )
    add_reading(parser)
    parser.add_argument(
        "--expected-target",
        metavar="FILE",
        help="of the expected recording alone, as --target; `known`: it needs none; `payload`: it "
        "is what produce.payload of --target writes",
    )
    parser.add_argument(
        "--after",
        type=whole("--after", 0, 2**31 - 1),
        default=0,
        metavar="N",
        help="the receiving client said that it has the first N chunks (default: %(default)s)",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="the receiving client stayed until the end: what is missing there is lost, even if "
        "no frame says that the answer is over",
    )
    add_fail_on(parser, FAILURES, "chunk")
    add_out(parser, "nowhere; with it, a run folder, if both recordings have instants")
    add_json(parser)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The options that say how recordings are to be read."""
    parser.add_argument(
        "--format",
        metavar="NAME",
        help="har, xrange, sse or jsonl (default: as the file's content looks)",
    )
    parser.add_argument(
        "--target",
        metavar="FILE",
        help="an adapter whose rules read the frames; those of known providers need none",
    )
    parser.add_argument("--session", metavar="ID", help="the session that is meant, of several")
    parser.add_argument(
        "--url", default="", metavar="PART", help="HAR: the request with this in its URL"
    )
    parser.add_argument(
        "--data", metavar="PATH", help="JSON lines: where the frame stands; XRANGE: its field"
    )
    parser.add_argument("--time", metavar="PATH", help="JSON lines: where the instant stands")
    parser.add_argument(
        "--direction", metavar="PATH=VALUE", help="JSON lines: only those that are so"
    )


def read(
    path: Path, named: str | None, target: str | None, args: argparse.Namespace
) -> "ReadRecording":
    """Read a recording by the options of `add_reading`. Raises UsageError."""
    from chunk7.instruments.recordings.formats import read_recording
    from chunk7.instruments.recordings.reading import of_session, read_pieces
    from chunk7.instruments.recordings.recording import Wanted

    adapter = None if target is None or target == KNOWN else _adapter(target, args.target)
    wanted = Wanted(args.url, args.data, args.time, args.direction)
    return of_session(read_pieces(read_recording(path, named, wanted), adapter), args.session)


def _adapter(file: str, target: str | None) -> "Adapter":
    from chunk7.instruments.recordings.known import payload_adapter
    from chunk7.loadtest.targets.adapter import read_adapter

    if file != PAYLOAD:
        return read_adapter(Path(file))
    if target is None:
        raise UsageError("--expected-target payload: --target FILE is needed, which says how")
    return payload_adapter(read_adapter(Path(target)))


def run(args: argparse.Namespace) -> int:
    """Judge and print; the exit code. Raises UsageError for what cannot be read."""
    # Imported here, because it takes a while: the help should not wait for that.
    from chunk7.instruments.recordings import judging

    failures = fail_on(args.fail_on, FAILURES)
    expected = read(
        args.expected,
        args.expected_format or args.format,
        args.expected_target or args.target,
        args,
    )
    received = read(args.received, args.received_format or args.format, args.target, args)
    try:
        compared = judging.compare_recordings(expected, received, args.after, args.whole)
        document = judging.judgement_of(compared)
    except judging.NotJudged as reason:
        document = judging.not_judged(expected, received, reason)
    else:
        if args.out:
            # It brings pandas: not every judging should wait for that.
            from chunk7.instruments.recordings.run_folder import write_run_folder

            write_run_folder(args.out, compared)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
        sys.stdout.flush()
    else:
        sys.stdout.write(visible("\n".join(_lines(document)) + "\n"))
    return _exit_code(document, failures)


def _exit_code(document: "JudgeDocument", failures: list[str]) -> int:
    if not document.judged:
        return NOT_VALID
    if any(document.count(name) for name in failures):
        return CROSSED
    return NOT_VALID if "lost" in failures and document.undetermined else 0


# --- what to say ---


def _lines(document: "JudgeDocument") -> list[str]:
    lines = []
    for side in ("expected", "received"):
        one = getattr(document, side)
        lines.append(f"{side}: {one.file}: {one.format}, {one.frames} frames, read by {one.rules}")
    if not document.judged:
        return [*lines, "", f"not judged: {document.because}"]
    lines += [
        "",
        f"{document.delivered} of {document.chunks} chunks delivered, told apart by {document.by}; "
        + ", ".join(f"{document.count(name)} {name.replace('_', ' ')}" for name in FAILURES),
    ]
    for name in ("lost", "undetermined", "duplicate", "out_of_order"):
        stretches = getattr(document, name)
        lines += [_sentence(name.replace("_", " "), one) for one in stretches[:_SHOWN]]
        lines += _more(len(stretches))
    for piece in document.unexpected[:_SHOWN]:
        what = "unexpected" if piece.alters is None else f"altered: chunk {piece.alters} came as"
        lines.append(f"{what} {piece.text!r} in frame {piece.frame}")
    lines += _more(len(document.unexpected))
    if document.undetermined:
        lines.append(
            "undetermined: the received recording stops there, and no frame says that the answer "
            "was over; with --whole it is lost"
        )
    return lines


def _sentence(what: str, one: "JudgedStretch") -> str:
    many = one.last > one.first
    which = f"chunks {one.first} to {one.last}" if many else f"chunk {one.first}"
    where = "at the end" if one.frame is None else f"seen at frame {one.frame}"
    unsure = "; a neighbour says the same, it may be that one" if one.ambiguous else ""
    return (
        f"{what}: {which}, characters {one.at_character} to "
        f"{one.at_character + one.characters - 1}, {one.text!r}, {where}{unsure}"
    )


def _more(count: int) -> list[str]:
    return [f"and {count - _SHOWN} more: --json has them all"] if count > _SHOWN else []
