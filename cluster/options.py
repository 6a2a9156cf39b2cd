"""Option types that several subcommands share. A bad value ends in one UsageError line.

The line names the option, what was given and what is allowed:
`--chunk-rate -1: must be between 0.1 and 10000`.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from chunk7.delivery.errors import UsageError
from chunk7.wire.parameters import Parameter
from chunk7.wire.plan import PARAMETERS

Subparsers = argparse._SubParsersAction  # argparse gives the type no public name


def number(option: str, low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a float within [low, high]."""
    bounds = Parameter(low=low, high=high, what="", option=option)
    return lambda text: float(bounds.number(text))


def whole(option: str, low: int, high: int) -> Callable[[str], int]:
    """An argparse type: an int within [low, high]."""
    bounds = Parameter(low=low, high=high, what="", option=option, whole=True)
    return lambda text: int(bounds.number(text))


def address(option: str) -> Callable[[str], tuple[str, int]]:
    """An argparse type: HOST:PORT as a pair."""

    def parse(text: str) -> tuple[str, int]:
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise UsageError(f"{option} {text}: want HOST:PORT with a port from 1 to 65535")
        return host, int(port)

    return parse


def names(values: list[str] | None) -> list[str]:
    """What a repeatable, comma-separated option named, in the order given, once each."""
    split = (name.strip() for value in values or [] for name in value.split(","))
    return list(dict.fromkeys(name for name in split if name))


def add_fail_on(parser: argparse.ArgumentParser, kinds: Sequence[str], what: str) -> None:
    """--fail-on NAME; `what` is such a thing in words. `fail_on` reads it."""
    parser.add_argument(
        "--fail-on",
        action="append",
        metavar="NAME",
        help=f"end in exit code 99 if there is such a {what}: {', '.join(kinds)}; repeatable, or "
        "commas",
    )


def fail_on(values: list[str] | None, kinds: Sequence[str]) -> list[str]:
    """The kinds that --fail-on named. Raises UsageError."""
    named = names(values)
    for name in named:
        if name not in kinds:
            raise UsageError(f"--fail-on {name}: one of {', '.join(kinds)}")
    return named


def add_seed(parser: argparse.ArgumentParser) -> None:
    """--seed."""
    seed = PARAMETERS["seed"]
    parser.add_argument(
        seed.option,
        type=whole(seed.option, int(seed.low), int(seed.high)),
        default=seed.default,
        metavar="N",
        help=f"{seed.what} (default: %(default)s)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document on stdout, and nothing else there",
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    """--out; `default` says in words where the output goes without it."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"folder to write into (default: {default})"
    )
