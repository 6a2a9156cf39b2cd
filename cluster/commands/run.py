"""`chunk7 run`: a local cluster, every ordering in turn under the same load, a table."""

import argparse
from pathlib import Path

from cluster.options import Parser, Subparsers, add_json, add_out, add_seed, number, whole


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The main job and its options."""
    parser = subparsers.add_parser(
        "run",
        help="start a cluster, load it, say which orderings lose chunks",
        description="Starts a local cluster, runs every ordering in turn under the same seed and "
        "load, and says which lose chunks.",
    )
    add_cells(parser)
    add_cluster(parser)
    add_load(parser)
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="EXPRESSION",
        help="e.g. 'loss_rate<=0.001'; repeatable; a crossed one ends in exit code 99",
    )
    add_seed(parser)
    add_out(parser, "runs/TIME-SEED")
    add_json(parser)


def add_cells(parser: argparse.ArgumentParser) -> None:
    """--connect, --write."""
    for option, side in (("--connect", "connect"), ("--write", "write")):
        parser.add_argument(
            option,
            action="append",
            metavar="NAME",
            help=f"{side} orderings: names, path/to/file.py:name, or all; repeatable, or commas",
        )


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """--nodes, --redis and the times that the cluster spends."""
    parser.add_argument(
        "--nodes",
        type=whole("--nodes", 1, 64),
        default=3,
        metavar="N",
        help="relay nodes behind the proxy (default: %(default)s)",
    )
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="use this store instead of one of our own, e.g. redis://HOST:PORT/DB",
    )
    _add_ms(parser, "--node-work-ms", "what a node does between its two steps")
    _add_ms(parser, "--store-latency-ms", "delay between processes and store, each way")


def add_load(parser: argparse.ArgumentParser) -> None:
    """Users, sessions, and what the producer streams."""
    parser.add_argument(
        "--users",
        type=whole("--users", 1, 100_000),
        default=200,
        metavar="N",
        help="WebSocket users, each of whom joins once an ordering (default: %(default)s)",
    )
    parser.add_argument(
        "--sessions",
        type=whole("--sessions", 1, 10_000),
        default=10,
        metavar="N",
        help="answers that are streamed at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--chunk-rate",
        type=number("--chunk-rate", 0.1, 10_000),
        default=50.0,
        metavar="R",
        help="chunks a second and session (default: %(default)g)",
    )
    parser.add_argument(
        "--duration",
        type=number("--duration", 0.5, 86_400),
        default=4.5,
        metavar="S",
        help="seconds of streaming for each ordering (default: %(default)g)",
    )
    _add_ms(parser, "--save-lag-ms", "what the producer does between its two writes")
    parser.add_argument(
        "--jitter",
        type=number("--jitter", 0, 10),
        default=0.0,
        metavar="F",
        help="standard deviation of each chunk's delay, in mean chunk intervals (default: 0)",
    )
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="DIR",
        help="recorded answers to replay, one JSONL file each (default: the corpus included)",
    )
    parser.add_argument(
        "--processes",
        type=whole("--processes", 0, 64),
        default=0,
        metavar="N",
        help="Locust worker processes; 0: Locust in one process (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it; the exit code."""
    raise NotImplementedError(args)


def _add_ms(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    parser.add_argument(
        option,
        type=number(option, 0, 10_000),
        default=0.0,
        metavar="MS",
        help=f"{what}, in milliseconds (default: 0)",
    )
