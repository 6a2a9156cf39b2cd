"""`chunk7 target`: write an adapter for somebody else's back end, and try it with one join."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chunk7.cluster.options import Subparsers, add_json, number
from chunk7.console import stdout_console
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.targets.samples import SAMPLES, sample
from chunk7.wire.options import Parser
from chunk7.wire.store.option import add_redis

if TYPE_CHECKING:
    from chunk7.loadtest.targets.adapter import Adapter
    from chunk7.loadtest.targets.check import CheckDocument, FrameSeen
    from chunk7.loadtest.targets.frame_reader import Sighting

FRAMES = 40
"""Shown; --json has all."""
SESSION = "chunk7-check"
_WIDTH = 80
"""Of what goes to no terminal."""
_TEXT = 30
"""Characters of a chunk's text that are shown."""


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 target`."""
    parser = subparsers.add_parser(
        "target",
        description="Adapters say how to join, read and resume a back end that is not chunk7's "
        "own (docs/targets.md).",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="join once, and show what came and which rule read it",
        description="Joins once, and shows what was received, frame by frame, which rule read it "
        "as what, and what a run could not know. Exit code 2: the adapter is wrong, 1: the target "
        "cannot be reached.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="the adapter, .yaml or .py")
    check.add_argument(
        "--session",
        metavar="ID",
        help="the session to join (default: one that is written or asked for, as the adapter says)",
    )
    add_redis(check, "the store, where produce or start needs it (default: the adapter's)")
    check.add_argument(
        "--seconds",
        type=number("--seconds", 0.1, 3_600),
        default=5.0,
        metavar="S",
        help="how long to read, unless the answer or the connection ends (%(default)g)",
    )
    add_json(check)
    init = actions.add_parser(
        "init",
        help="write a commented adapter to begin with",
        description="Writes a commented adapter: " + "; ".join(map(": ".join, SAMPLES.items())),
    )
    init.add_argument(
        "kind", nargs="?", default="websocket", metavar="KIND", help=f"one of {', '.join(SAMPLES)}"
    )
    init.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: stdout)")


def run(args: argparse.Namespace) -> int:
    """Do the action; the exit code. Raises UsageError for a wrong adapter, Chunk7Error."""
    return _init(args) if args.action == "init" else _check(args)


def _init(args: argparse.Namespace) -> int:
    if args.kind not in SAMPLES:
        raise UsageError(f"KIND {args.kind}: one of {', '.join(SAMPLES)}")
    text = sample(args.kind)
    if args.out is None:
        sys.stdout.write(text)
        return 0
    try:
        with args.out.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out {args.out}: {error.strerror or error}") from error
    sys.stdout.write(f"wrote {args.out}; change it, then: chunk7 target check {args.out}\n")
    return 0


def _check(args: argparse.Namespace) -> int:
    # Imported here, because it brings gevent: only a check needs it.
    from chunk7.loadtest.targets.adapter import read_adapter
    from chunk7.loadtest.targets.check import check

    def look(adapter: "Adapter") -> "CheckDocument":
        with _session(adapter, args) as session_id:
            return check(adapter, session_id, args.seconds)

    adapter = read_adapter(args.file)
    if adapter.start is None:
        document = look(adapter)
    else:
        from chunk7.cluster.deployments.started import starting
        from chunk7.cluster.jobs.target_check import with_started

        sys.stderr.write(f"{starting(adapter)}\n")
        document = with_started(adapter, args.redis or adapter.store, look)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
        sys.stdout.flush()
    else:
        _show(document)
    if document.error is not None:
        line = f"{args.file}: {document.error}"
        raise UsageError(line) if document.reachable else Chunk7Error(line)
    return 0


@contextmanager
def _session(adapter: "Adapter", args: argparse.Namespace) -> Iterator[str]:
    """What to join; where our producer is to write, it does so meanwhile."""
    redis = args.redis or adapter.store
    if args.session or adapter.produce is None or redis is None:
        yield args.session or SESSION
        return
    from chunk7.cluster.jobs.target_check import written_for

    with written_for(adapter.produce, redis, args.seconds) as session_id:
        yield session_id


# --- what to say ---


def _show(document: "CheckDocument") -> None:
    console = stdout_console(_WIDTH)

    def say(line: str, style: str | None = None) -> None:
        console.print(line, style=style, markup=False, no_wrap=True, overflow="ellipsis")

    if document.opened_ms is not None:
        say(f"{document.adapter}: session {document.session_id}, open after {_ms(document)}")
    for connection, frames in groupby(document.frames[:FRAMES], attrgetter("connection")):
        if document.frames[0].connection == "ask":  # so there are two
            say("the request's own response:" if connection == "ask" else "a join by url:")
        for frame in frames:
            say(f"{frame.at_ms:8.1f} ms  {_read_as(frame)}", "red" if frame.error else "bold")
            say(f"             {_received(frame)}", "dim")
    if len(document.frames) > FRAMES:
        say(f"and {len(document.frames) - FRAMES} more frames: --json has them all")
    if document.opened_ms is not None:
        say(_ending(document))
    for note in document.notes:
        console.print(f"- {note}", markup=False, soft_wrap=True)


def _ms(document: "CheckDocument") -> str:
    return f"{document.opened_ms:g} ms"


def _read_as(frame: "FrameSeen") -> str:
    if frame.error is not None:
        return "UNREAD: " + frame.error.partition("; received ")[0]
    rule = "read()" if frame.rule == -1 else f"frames.{frame.rule}"
    return f"{rule} {frame.kind}  {_chunks(frame.sightings)}".rstrip()


def _chunks(sightings: "tuple[Sighting, ...]") -> str:
    """One chunk with all that is known of it; of several the first and the last."""
    if len(sightings) < 2:
        return "".join(map(_chunk, sightings))
    return f"{len(sightings)} chunks: {_chunk(sightings[0])} ... {_chunk(sightings[-1])}"


def _chunk(sighting: "Sighting") -> str:
    named = {
        "session": sighting.session_id,
        "message": sighting.message_id,
        "index": sighting.index,
        "seq": sighting.seq,
        "id": sighting.id,
    }
    words = [f"{name} {value}" for name, value in named.items() if value is not None]
    if (text := sighting.text) is not None:
        words.append(repr(text if len(text) <= _TEXT else f"{text[:_TEXT]}..."))
    return ", ".join(words)


def _received(frame: "FrameSeen") -> str:
    event = None if frame.event == "message" else frame.event  # what SSE calls those without
    fields = {"event": event, "id": frame.id}
    words = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "  ".join([*words, frame.received.replace("\n", "\\n")])


def _ending(document: "CheckDocument") -> str:
    chunks = sum(len(frame.sightings) for frame in document.frames)
    counts = f"frames: {len(document.frames)}, chunks: {chunks}"
    if document.finished_characters is not None:
        counts += f", the finished answer has {document.finished_characters} characters"
    return f"{counts}; the target {document.closed}" if document.closed else counts
