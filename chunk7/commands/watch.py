"""`chunk7 watch`: a store's MONITOR, live or saved: every join's window, and what it lost."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.live import Live
from rich.table import Table

from chunk7.cluster.options import Subparsers, add_fail_on, add_json, add_out, fail_on, number
from chunk7.commands.run import CROSSED, NOT_VALID
from chunk7.console import PlainConsole, narrow, print_table, stdout_console
from chunk7.delivery.errors import UsageError
from chunk7.instruments.watch.document import JoinSeen, WatchDocument, document_of, sentences
from chunk7.instruments.watch.log import Log, watched
from chunk7.instruments.watch.patterns import Patterns, patterns
from chunk7.wire.folders import make_empty
from chunk7.wire.options import Parser
from chunk7.wire.store.option import add_redis

if TYPE_CHECKING:
    from collections.abc import Callable

    from chunk7.instruments.watch.watching import Limits, Outcome

FAILURES = ("raced", "lost", "unknown")
ROWS = 20
"""Joins in the table; --json has all."""
_WIDTH = 80
"""Of what goes to no terminal."""
_SESSION_WIDTH = 22
_LOST_SHOWN = 3
_STYLES = {"lost": "red", "lucky": "yellow", "ordered": "green"}
_VERDICT_ORDER = ("lost", "lucky", "unknown", "ordered")
_WARNING = (
    "MONITOR costs the store processor time for every command: measured, a busy one can do 9% to "
    "16% less,\nand 60% less of long pipelines (docs/watch.md). It ends after {duration:g} s; "
    "--sample takes part of that, Ctrl-C ends it now.\n"
)


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 watch`."""
    parser = subparsers.add_parser(
        "watch",
        description="Reads the MONITOR of a store, live or saved, and says of every join that it "
        "sees how long its window was, what it lost, and whether it was merely lucky. Nothing is "
        "changed in the system, and nothing is written to the store.",
    )
    add_redis(parser, "the store, e.g. redis://HOST:PORT/DB")
    parser.add_argument(
        "--from",
        dest="from_file",
        type=Path,
        metavar="FILE",
        help="a saved log of MONITOR instead, plain or gzip",
    )
    for option, what in (
        ("--history", "keys of the saved chunks"),
        ("--channel", "Pub/Sub channels of the live chunks"),
        ("--stream", "streams that are both"),
    ):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="PATTERN",
            help=f"{what}, with {{session_id}} in it; * stands for anything; repeatable "
            "(default: chunk7's own)",
        )
    parser.add_argument(
        "--duration",
        type=number("--duration", 0.1, 86_400),
        default=60.0,
        metavar="S",
        help="how long to watch a store (default: %(default)g)",
    )
    parser.add_argument(
        "--sample",
        type=number("--sample", 0.001, 1),
        default=1.0,
        metavar="SHARE",
        help="watch for this share of the time, in slices of 5 s (default: %(default)g)",
    )
    add_fail_on(parser, FAILURES, "join")
    add_out(parser, "nowhere; with it, the tables of a run as far as they can be known")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Watch and print; the exit code. Raises Chunk7Error for what ended it early."""
    failures = fail_on(args.fail_on, FAILURES)
    if args.redis is None and args.from_file is None:
        raise UsageError("--redis URL or --from FILE is needed: what to watch")
    named = patterns(args.history, args.channel, args.stream)
    if args.out:
        make_empty(args.out)  # before anything is watched: afterwards it would be a pity
    outcome = _watch(args, named)
    document = document_of(outcome.watched, outcome.stopped)
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
        sys.stdout.flush()
    else:
        _show(document)
    if args.out:  # after what it found was said: the disk may be full
        # Imported here, because it brings pandas: not every watch should wait for that.
        from chunk7.instruments.watch.run_folder import write_run_folder

        write_run_folder(args.out, outcome.watched, document)
    if outcome.error is not None:
        raise outcome.error
    return _exit_code(document, failures)


def _exit_code(document: WatchDocument, failures: list[str]) -> int:
    summary = document.summary
    if not summary.joins:
        return NOT_VALID
    counts = {
        "raced": sum(bool(join.raced) and not join.ambiguous for join in document.joins),
        "lost": summary.lost,
        "unknown": summary.unknown,
    }
    return CROSSED if any(counts[name] for name in failures) else 0


# --- watching ---


def _watch(args: argparse.Namespace, named: Patterns) -> "Outcome":
    # Imported here, because it brings redis-py: the help should not wait for that.
    from chunk7.instruments.watch.watching import Limits, watch_live, watch_saved

    if args.from_file is not None:
        return watch_saved(args.from_file, named)
    limits = Limits(args.duration, args.sample)
    sys.stderr.write(_WARNING.format(duration=args.duration))
    with _stopped_by_signals(limits), _ticking(args.json) as tick:
        return watch_live(args.redis, named, limits, tick)


@contextmanager
def _stopped_by_signals(limits: "Limits") -> Iterator[None]:
    """Ctrl-C is how watching is meant to end early: what was seen is shown."""

    def stop(_number: int, _frame: object) -> None:
        limits.stop = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ticking(quiet: bool) -> "Iterator[Callable[[list[Log]], None]]":
    """A table that grows, on a terminal, while judging anew is quick: lines are waiting."""
    console = PlainConsole(highlight=False, markup=False)
    if quiet or not console.is_terminal:
        yield lambda _logs: None
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        due_s = 0.0

        def tick(logs: list[Log]) -> None:
            nonlocal due_s
            began_s = time.monotonic()
            if began_s >= due_s:
                document = document_of(watched(logs))
                table = _table(document)
                narrow(console, table, keep=2)
                live.update(table, refresh=True)
                took_s = time.monotonic() - began_s
                due_s = began_s + max(1.0, 5 * took_s) if took_s < 1 else float("inf")

        yield tick


# --- what to say ---


def _show(document: WatchDocument) -> None:
    console = stdout_console(_WIDTH)
    if document.joins:
        print_table(console, _table(document), keep=2)
        if len(document.joins) > ROWS:
            console.print(f"and {len(document.joins) - ROWS} more joins: --json has them all")
        console.print()
    for line in sentences(document.summary):
        console.print(line, soft_wrap=True, markup=False)


def _table(document: WatchDocument) -> Table:
    """The worst joins first, and of them the earliest. Fits into 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("session", no_wrap=True)
    table.add_column("read at, UTC", no_wrap=True)
    for heading in ("W, ms", "L, ms", "G, ms", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    joins = sorted(document.joins, key=lambda join: _VERDICT_ORDER.index(join.verdict))
    for join in joins[:ROWS]:
        table.add_row(*_row(join), style=_STYLES.get(join.verdict))
    return table


def _row(join: JoinSeen) -> tuple[str, ...]:
    at = time.strftime("%H:%M:%S", time.gmtime(join.read_at_us // 1_000_000))
    return (
        join.verdict,
        _short(join.session),
        f"{at}.{join.read_at_us % 1_000_000 // 1_000:03}",
        *(_ms(value) for value in (join.window_us, join.lag_us, join.gap_us)),
        _lost(join),
    )


def _short(session: str) -> str:
    """Its end: ids that differ mostly differ there."""
    return session if len(session) <= _SESSION_WIDTH else f"…{session[1 - _SESSION_WIDTH :]}"


def _lost(join: JoinSeen) -> str:
    names_of = [_name(chunk.index, chunk.position) for chunk in join.chunks_lost]
    more = f" +{len(names_of) - _LOST_SHOWN}" if len(names_of) > _LOST_SHOWN else ""
    return ",".join(names_of[:_LOST_SHOWN]) + more or "-"


def _name(index: int | None, position: int) -> str:
    """A chunk by the index it says, or by its place in the order of publication."""
    return f"#{position}" if index is None else str(index)


def _ms(value_us: float | None) -> str:
    return "?" if value_us is None else f"{value_us / 1_000:.3f}"
