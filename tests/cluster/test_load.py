"""What Locust's web UI is started with."""

import argparse
from pathlib import Path

from chunk7.cluster.deployments.load import web_options
from chunk7.cluster.settings import Settings, read_settings
from chunk7.commands import up
from chunk7.wire.options import Parser


def settings(*words: str) -> Settings:
    """The settings of a `chunk7 up` command line."""
    parser = Parser(prog="chunk7")
    subparsers: argparse._SubParsersAction[Parser] = parser.add_subparsers(dest="command")
    up.add_parser(subparsers)
    return read_settings(parser.parse_args(["up", *words]))


def test_every_pair_there_is_can_be_chosen_whatever_the_cluster_was_started_with() -> None:
    chosen = settings("--connect", "buffered_merge", "--write", "atomic_lua")
    options = web_options(chosen, "http://judge", None)
    pairs = str(options["--pairs"]).split("; ")
    assert "history_then_subscribe x publish_then_save" in pairs
    assert "redis_streams x stream_append" in pairs
    assert "redis_streams x publish_then_save" not in pairs
    assert options["--fill-gaps"] == "sequence_gap_fill"
    assert options["--settle-ms"] == ""
    assert "--store-delay" not in options


def test_an_ordering_of_ones_own_can_be_chosen_too(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from dataclasses import replace\n"
        "from chunk7.nodes.connect import CONNECT_ORDERINGS\n"
        "mine = replace(CONNECT_ORDERINGS['sequence_gap_fill'], name='mine')\n"
    )
    chosen = settings("--connect", f"{own}:mine", "--users", "9000")
    options = web_options(chosen, "http://judge", "http://delay")
    assert "mine x atomic_lua" in str(options["--pairs"]).split("; ")
    assert options["--fill-gaps"] == "sequence_gap_fill,mine"
    assert (options["--max-users"], options["--store-latency-ms"]) == (9_000, 0.0)
