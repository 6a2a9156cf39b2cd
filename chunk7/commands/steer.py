"""`chunk7 steer`: force every interleaving on an unmodified system, through a proxy with gates."""

import argparse
import ssl
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from chunk7.cluster.options import (
    Subparsers,
    add_fail_on,
    add_json,
    add_out,
    address,
    fail_on,
    names,
    number,
    whole,
)
from chunk7.console import stderr_console, stdout_console
from chunk7.delivery.errors import UsageError
from chunk7.wire.folders import make_empty
from chunk7.wire.options import Parser
from chunk7.wire.store.option import add_redis
from chunk7.wire.whole_files import write_whole

if TYPE_CHECKING:
    from chunk7.analysis.conditions import Condition
    from chunk7.cluster.jobs.steer import SteerSettings
    from chunk7.instruments.steer.learning import LearnedJoin
    from chunk7.instruments.steer.outcome import SteerResult, SteerRow
    from chunk7.instruments.steer.schedule import KeptSchedule
    from chunk7.loadtest.targets.adapter import Adapter

FAILURES = ("loses", "unknown")
ROLES = ("read", "subscribe", "follow", "leave", "publish", "save", "append")
NATURAL = 50
"""Ordinary joins, unless stated."""
_WIDTH = 100
"""Of what goes to no terminal."""


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 steer`."""
    parser = subparsers.add_parser(
        "steer",
        description="Puts a proxy between a back end and its store, and holds the join's and the "
        "producer's commands so that each interleaving happens on purpose, on the real thing. The "
        "back end gets another REDIS_URL, and nothing else is changed. Never for production.",
    )
    parser.add_argument(
        "--target", type=Path, required=True, metavar="FILE", help="the adapter, .yaml or .py"
    )
    add_redis(
        parser,
        "the store behind the proxy (default: the adapter's store, or one of our own where the "
        "adapter has start)",
        sentinel=False,
    )
    parser.add_argument(
        "--listen",
        type=address("--listen"),
        metavar="HOST:PORT",
        help="where the proxy listens: the back end's REDIS_URL (default: any free port here)",
    )
    for option, what in (
        ("--listen-cert", "the proxy speaks TLS to the back end, with this certificate"),
        ("--listen-key", "the certificate's private key (default: in the same file)"),
    ):
        parser.add_argument(option, type=Path, metavar="PEM", help=what)
    _add_extent(parser)
    for role in ROLES:
        parser.add_argument(
            f"--{role}",
            action="append",
            default=[],
            metavar="RULE",
            help=argparse.SUPPRESS
            if role != "read"
            else "'COMMAND NAME': a command that is a join's read, with {session_id} in the name "
            "if it is the session's; * stands for anything; also --subscribe, --follow, --leave, "
            "--publish, --save, --append; repeatable",
        )
    parser.add_argument(
        "--schedule",
        type=Path,
        metavar="FILE",
        help="force this schedule alone: a file of --out, or one that explore wrote; it says "
        "how many chunks, joins and faults",
    )
    parser.add_argument(
        "--i-know", action="store_true", help="the store has other clients, and may be held up"
    )
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="EXPR",
        help="e.g. 'lossy_schedules==0'; exit code 99 if crossed; repeatable",
    )
    add_fail_on(parser, FAILURES, "verdict")
    add_out(parser, "nowhere; with it, steer.json, junit.xml and each losing schedule as a file")
    add_json(parser)


def _add_extent(parser: Parser) -> None:
    for option, low, high, default, what in (
        ("--tries", 1, 1_000, 20, "how often each schedule is forced"),
        ("--chunks", 1, 3, 1, "chunks whose writes are interleaved with the join"),
        ("--joiners", 1, 2, 1, "clients that join at once"),
    ):
        parser.add_argument(
            option,
            type=whole(option, low, high),
            default=default,
            metavar="N",
            help=f"{what} (default: %(default)s)",
        )
    parser.add_argument(
        "--natural",
        type=whole("--natural", 0, 10_000),
        metavar="N",
        help="ordinary joins without the proxy, of a target with start (default: "
        f"{NATURAL}, with --schedule none)",
    )
    parser.add_argument(
        "--leaver", action="store_true", help="another client leaves while the join is under way"
    )
    parser.add_argument(
        "--comeback",
        action="store_true",
        help="the client that joins was there before, and comes back as the adapter's resume says",
    )
    parser.add_argument(
        "--write",
        action="append",
        metavar="NAME",
        help="write orderings of our producer (default: the adapter's); repeatable, or commas",
    )
    parser.add_argument(
        "--faults",
        action="append",
        metavar="NAME",
        help="also what a network does at its moment: reply_lost, connection_cut, "
        "store_kill_pubsub, stale_read, producer_timeout; repeatable, or commas",
    )
    for option, wait_ms, what in (
        ("--hold-ms", 500.0, "how long an event is waited for that something held may hold back"),
        ("--settle-ms", 500.0, "how long a chunk is waited for that is missing"),
    ):
        parser.add_argument(
            option,
            type=number(option, 10, 60_000),
            default=wait_ms,
            metavar="MS",
            help=f"{what} (default: %(default)g)",
        )


def run(args: argparse.Namespace) -> int:
    """Steer and print; the exit code. Raises Chunk7Error for what cannot be steered."""
    # Imported here, because they bring gevent and numpy: not every help text should wait for that.
    from chunk7 import steer_tables as tables
    from chunk7.cluster.jobs.interrupts import run_interruptibly
    from chunk7.cluster.jobs.steer import steer
    from chunk7.instruments.steer.conditions import hold_conditions, parse_steer_threshold
    from chunk7.instruments.steer.outcome import document

    failures = fail_on(args.fail_on, FAILURES)
    conditions = [parse_steer_threshold(text) for text in args.threshold]
    settings = _settings(args)
    if args.out:
        make_empty(args.out)
    console = stderr_console() if args.json else stdout_console(_WIDTH)
    with nullcontext(args.out) if args.out else tempfile.TemporaryDirectory() as folder:
        results = run_interruptibly(steer(settings, Path(folder).resolve(), _Story(console)))
    if args.out:
        _write(args.out, results, conditions)
    if args.json:
        documents = {"schema": 1, "results": [document(result) for result in results]}
        sys.stdout.buffer.write(msgspec.json.encode(documents) + b"\n")
        sys.stdout.flush()
    else:
        for result in results:
            console.print(f"\n{result.target}{f' x {result.write}' if result.write else ''}:")
            tables.show(result, console, tables.equal_finding(result))
    codes = [
        tables.exit_code(result, failures, hold_conditions(conditions, result))
        for result in results
    ]
    return max(codes)  # 99 a threshold crossed, 98 it cannot be told, 0 held


def _settings(args: argparse.Namespace) -> "SteerSettings":
    from chunk7.cluster.jobs.steer import SteerSettings
    from chunk7.instruments.steer.faults import STEER_FAULTS
    from chunk7.instruments.steer.forcing import Patience
    from chunk7.instruments.steer.rules import Role, Rules, parse_rule
    from chunk7.instruments.steer.schedule import load
    from chunk7.loadtest.targets.adapter import read_adapter

    adapter = read_adapter(args.target)
    redis = args.redis or adapter.store
    if redis is None and adapter.start is None:
        raise UsageError(
            f"--redis URL, or store: or start: in {args.target}, is needed: which store"
        )
    kept = load(args.schedule) if args.schedule else None
    comeback = args.comeback or (kept is not None and kept.comeback)
    if comeback and adapter.resume is None:
        raise UsageError(f"--comeback: {args.target} has no resume: how does a client come back?")
    _check_goes_together(args, starts=adapter.start is not None)
    natural = args.natural if args.natural is not None else 0 if kept else NATURAL
    stated = Rules(
        tuple(parse_rule(f"--{r}", Role(r), text) for r in ROLES for text in vars(args)[r])
    )
    faults = names(args.faults)
    for name in faults:
        if name not in STEER_FAULTS:
            raise UsageError(f"--faults {name}: one of {', '.join(STEER_FAULTS)}")
        if name == "producer_timeout" and adapter.ask is None:
            raise UsageError(
                "--faults producer_timeout: only for a target that makes its answers itself (ask)"
            )
    return SteerSettings(
        adapter=adapter,
        redis=redis,
        listen=args.listen,
        tls=_tls(args.listen_cert, args.listen_key),
        rules=stated if stated.rules or kept is None else kept.rules,
        writes=tuple(names(args.write) or _kept_write(args.schedule, kept, adapter)),
        tries=args.tries,
        natural=natural,
        chunks=args.chunks,
        joiners=args.joiners,
        leaver=args.leaver,
        comeback=comeback,
        faults=tuple(faults),
        schedule=kept.schedule if kept else None,
        patience=Patience(hold_s=args.hold_ms / 1_000, settle_s=args.settle_ms / 1_000),
        i_know=args.i_know,
    )


def _check_goes_together(args: argparse.Namespace, starts: bool) -> None:
    """Raise UsageError for options that would have no effect."""
    if args.natural and not starts:
        raise UsageError(
            f"--natural {args.natural}: only with start: in {args.target}, for it is done without "
            "the proxy"
        )
    stated = {
        "--chunks": args.chunks > 1, "--joiners": args.joiners > 1, "--leaver": args.leaver,
        "--faults": names(args.faults),
    }  # fmt: skip
    for option, is_stated in stated.items():
        if args.schedule and is_stated:
            raise UsageError(f"{option}: not with --schedule, whose file says it")


def _kept_write(
    file: Path | None, kept: "KeptSchedule | None", adapter: "Adapter"
) -> tuple[str, ...]:
    """The file's write ordering; a target that makes its answers itself has its own."""
    from chunk7.producer.write import WRITE_ORDERINGS

    if kept is None or kept.write is None or adapter.ask is not None:
        return ()
    if kept.write not in WRITE_ORDERINGS:
        raise UsageError(
            f"{file}: write {kept.write!r}: one of {', '.join(WRITE_ORDERINGS)}, unless --write "
            "path/to/file.py:name says where it is"
        )
    return (kept.write,)


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None:
        raise UsageError(f"--listen-key {key}: needs --listen-cert")
    for option, file in (("--listen-cert", cert), ("--listen-key", key)):
        if file is not None and not file.is_file():
            raise UsageError(f"{option} {file}: no such file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password="")  # or OpenSSL asks for it
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(
            f"--listen-cert {cert}: no certificate with its private key, both PEM and the key "
            f"without a password ({error.strerror or error})"
        ) from error
    return context


class _Story:
    """Each phase, as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """See `chunk7.cluster.jobs.steer.SteerReport`."""
        self._console.print(line, markup=False, soft_wrap=True)

    def learned(self, learned: "LearnedJoin") -> None:
        """What a join and a write are."""
        from chunk7 import steer_tables as tables

        self._console.print()
        tables.show_learned(learned.system, self._console)
        self._console.print()

    def row(self, row: "SteerRow") -> None:
        """A line a schedule that was forced."""
        if row.tries:
            counts = row.counts
            self.say(
                f"forced {counts['forced']} of {counts['tries']}, lost in {counts['lossy']}: "
                f"{row.schedule.key}"
            )


def _write(folder: Path, results: "list[SteerResult]", conditions: "list[Condition]") -> None:
    """steer.json; by write ordering a junit.xml; each losing schedule, and its drawing."""
    from chunk7.instruments.steer.conditions import junit
    from chunk7.instruments.steer.outcome import document

    documents = {"schema": 1, "results": [document(result) for result in results]}
    write_whole(folder / "steer.json", msgspec.json.encode(documents) + b"\n")
    for result in results:
        suffix = f"-{result.write}" if len(results) > 1 else ""
        write_whole(folder / f"junit{suffix}.xml", junit(result, conditions))
        _write_losing(folder, result)


def _write_losing(folder: Path, result: "SteerResult") -> None:
    from chunk7.instruments.steer.drawing import drawn
    from chunk7.instruments.steer.schedule import dump, file_name, kept_of

    for row in result.rows:
        if row.lossy:
            write = f"{result.write}-" if result.write else ""
            file = folder / (write + file_name(row.schedule))
            dump(kept_of(result, row), file)
            write_whole(file.with_suffix(".txt"), drawn(row, result.target).text())
