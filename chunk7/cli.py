"""The `chunk7` command. It only finds the subcommand, and turns errors into a line and a code.

Exit codes: 0 held, 99 a threshold crossed, 98 the run is not valid or a threshold is unknown,
2 usage, 1 chunk7 failed, 130 and 143 interrupted by SIGINT and SIGTERM.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from chunk7.cluster.options import Subparsers
from chunk7.commands import compare, explore, report, reproduce, run, simulate, sweep, up
from chunk7.delivery.errors import Chunk7Error
from chunk7.wire.options import Parser
from chunk7.wire.store.option import hide_password


class Command(Protocol):
    """A module of `chunk7.commands`."""

    def add_parser(self, subparsers: "Subparsers[Parser]") -> None:
        """Add the subcommand, its help and its options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the job; the exit code. Raises Chunk7Error for what went wrong as it can."""


COMMANDS: dict[str, Command] = {
    "run": run,
    "up": up,
    "explore": explore,
    "reproduce": reproduce,
    "simulate": simulate,
    "report": report,
    "compare": compare,
    "sweep": sweep,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; the exit code. `argv` is without the program's name."""
    if argv is None:
        hide_password()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser().parse_args(arguments)
        return COMMANDS[args.command].run(args)
    except SystemExit as exit_:  # argparse's own, for --help
        return exit_.code if isinstance(exit_.code, int) else 1
    except KeyboardInterrupt:  # where no cluster runs that would have to be stopped in order
        sys.stderr.write("chunk7: stopped by SIGINT\n")
        return 130
    except Chunk7Error as error:
        program = " ".join(["chunk7", *(word for word in arguments[:1] if word in COMMANDS)])
        sys.stderr.write(f"{program}: error: {error}\n")
        return error.exit_code


def _parser() -> Parser:
    parser = Parser(
        prog="chunk7",
        description="Finds, measures and proves the chunks a streaming back end loses.",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS.values():
        command.add_parser(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
