"""Option types that several subcommands share. A bad value ends in one UsageError line.

The line names the option, what was given and what is allowed:
`--chunk-rate -1: must be between 0.1 and 10000`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chunk7.delivery.errors import UsageError

MAX_SEED = 2**53
"""What every JSON reader keeps exactly."""

Value = TypeVar("Value")

Subparsers = argparse._SubParsersAction  # argparse gives the type no public name


def number(option: str, low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a float within [low, high]."""

    def parse(text: str) -> float:
        value = _parsed(option, text, float, "a number")
        if not low <= value <= high:  # also refuses nan
            raise UsageError(f"{option} {text}: must be between {low:.15g} and {high:.15g}")
        return value

    return parse


def whole(option: str, low: int, high: int) -> Callable[[str], int]:
    """An argparse type: an int within [low, high]."""

    def parse(text: str) -> int:
        value = _parsed(option, text, int, "a whole number")
        if not low <= value <= high:
            raise UsageError(f"{option} {text}: must be between {low} and {high}")
        return value

    return parse


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


def add_seed(parser: argparse.ArgumentParser) -> None:
    """--seed."""
    parser.add_argument(
        "--seed",
        type=whole("--seed", 0, MAX_SEED),
        default=7,
        metavar="N",
        help="what all randomness comes from (default: %(default)s)",
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


def _parsed(option: str, text: str, convert: Callable[[str], Value], wanted: str) -> Value:
    try:
        return convert(text)
    except ValueError:
        raise UsageError(f"{option} {text}: want {wanted}") from None
