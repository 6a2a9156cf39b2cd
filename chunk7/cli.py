"""The `chunk7` command. It only finds the subcommand, and turns errors into a line and a code.

Exit codes: 0 held, 99 a threshold crossed, 98 the run is not valid or a threshold is unknown,
2 usage, 1 chunk7 failed, 130 and 143 interrupted by SIGINT and SIGTERM, 141 nobody read on.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, cast

from chunk7.cluster.options import Subparsers
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.wire.options import Parser
from chunk7.wire.shortage import shortage
from chunk7.wire.store.option import hide_password
from chunk7.wire.visible import visible

COMMANDS = {
    "run": "start a cluster, load it, say which orderings lose chunks",
    "up": "keep a cluster running, with the Locust web UI",
    "explore": "try every interleaving of the orderings; matrix and shortest counter-examples",
    "reproduce": "the bug report's scenario, step by step on a real store",
    "simulate": "run the orderings in virtual time, to millions of connections",
    "report": "write a run's report: one HTML page, Markdown, JUnit XML, figures",
    "compare": "compare two runs: better, worse, or no evidence",
    "sweep": "loss against chunk rate, store latency, node work and concurrent joins",
    "target": "write and try an adapter for somebody else's back end",
    "steer": "force every interleaving on an unmodified system, through a proxy with gates",
    "watch": "read a store's MONITOR: the handover of every join of any system",
    "import": "make answers for --answers of recordings and timed exports",
    "judge": "hold one recording of an answer against another, no system running",
}
"""By name, what `chunk7 --help` says; each is a module of `chunk7.commands`."""

EXAMPLES = """\
examples:
  chunk7 run                             every ordering in turn: table, report
  chunk7 explore --connect mine.py:mine  can your own ordering lose a chunk?
  chunk7 report runs/NAME                one page, with each lost chunk's story
"""


class Subcommand(Protocol):
    """A module of `chunk7.commands`."""

    def add_parser(self, subparsers: "Subparsers[Parser]") -> None:
        """Add the subcommand and its options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the job; the exit code. Raises Chunk7Error for what went wrong as it can."""


def command(name: str) -> Subcommand:
    """The subcommand's module. Imported only when it is asked for: each brings what it needs."""
    return cast(Subcommand, import_module(f"chunk7.commands.{name}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit code. `argv` is without the program's name."""
    if argv is None:
        hide_password()
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # not at the very end, where nobody could catch what comes of it
        return code
    except OSError as error:
        lacking = shortage(error)
        if lacking is None and not isinstance(error, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the end
        if lacking is None:  # who read us has seen enough, as `head` has
            return 128 + signal.SIGPIPE
        return _told("", f"stdout: {lacking}", Chunk7Error.exit_code)


def _run(arguments: list[str]) -> int:
    wanted = arguments[0] if arguments else ""
    try:
        parser = _parser(wanted)
        args = parser.parse_args(arguments)
        if args.command is None:
            parser.print_help(sys.stderr)
            return UsageError.exit_code
        subcommand = command(args.command)
        with _interruptible():
            return subcommand.run(args)
    except SystemExit as exit_:  # argparse's own, for --help and --version
        return exit_.code if isinstance(exit_.code, int) else 1
    except KeyboardInterrupt:  # where no cluster runs that would have to be stopped in order
        sys.stderr.write("chunk7: stopped by SIGINT\n")
        return 130
    except Chunk7Error as error:
        return _told(wanted, str(error), error.exit_code)
    except OSError as error:
        lacking = shortage(error)
        if lacking is None:
            raise
        return _told(wanted, lacking, Chunk7Error.exit_code)


def _told(wanted: str, line: str, code: int) -> int:
    program = f"chunk7 {wanted}" if wanted in COMMANDS else "chunk7"
    sys.stderr.write(f"{program}: error: {visible(line)}\n")
    return code


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt again, as jobs clean up behind themselves; until now it ended
    the process (`chunk7.__main__`).
    """
    before = signal.getsignal(signal.SIGINT)
    ours = callable(before) and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def _parser(wanted: str) -> Parser:
    """All subcommands by name, and the options of the one that is wanted."""
    parser = Parser(
        prog="chunk7",
        description="Finds, measures and proves the chunks a streaming back end loses.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name == wanted:
            command(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


class _Version(argparse.Action):
    """argparse's own would need the version at once, and looking it up takes 20 ms."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"chunk7 {version('chunk7')}\n")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
