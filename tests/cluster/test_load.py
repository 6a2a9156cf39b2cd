"""What Locust's web UI is started with."""

import argparse
from pathlib import Path

import pytest

from chunk7.cluster.deployments.load import headless, load_options, web_options
from chunk7.cluster.deployments.local import Endpoints
from chunk7.cluster.deployments.parts import spelled
from chunk7.cluster.settings import RunSettings, read_settings
from chunk7.commands import up
from chunk7.loadtest.options import add_arguments, read_options
from chunk7.wire.options import Parser


def settings(*words: str) -> RunSettings:
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
    assert (options["--max-users"], options["--store-delay"]) == (9_000, "http://delay")


@pytest.mark.parametrize(("users", "rate"), [(9, "9"), (120, "100"), (5_000, "500")])
def test_users_are_started_at_once_but_for_locusts_warning_and_within_ten_seconds(
    users: int, rate: str
) -> None:
    """The form's own default, 120 users in a second, made Locust warn of it."""
    chosen = settings("--users", str(users))
    options = load_options(chosen, Endpoints("redis://s", "ws://h:1", "http://p:1"), Path("r"), "n")
    assert f"{options['--spawn-rate']:g}" == rate


@pytest.mark.parametrize(("users", "rate"), [(9, "9"), (120, "120"), (9_000, "900")])
def test_without_a_form_nobody_sees_the_warning_and_nobody_waits_a_second(
    users: int, rate: str
) -> None:
    """120 users took Locust 1 s to start, and chunk7 as long to its first cell."""
    chosen = settings("--users", str(users))
    endpoints = Endpoints("redis://s", "ws://h:1", "http://p:1")
    command = [*map(str, headless(chosen, endpoints, Path("r"), "n").command)]
    assert float(command[command.index("--spawn-rate") + 1]) == float(rate)
    assert command.count("--spawn-rate") == 1


def test_the_one_of_a_run_is_held_until_there_is_something_to_load() -> None:
    made = headless(settings(), Endpoints("redis://s", "ws://h:1", "http://p:1"), Path("r"), "n")
    assert made.held
    assert "--held" in made.command


def test_locust_gets_every_parameter_of_the_plan_as_it_is() -> None:
    """Also one in whose option the plan's number has another unit, and one that is not chosen."""
    words = ("--duration", "2.345", "--chunk-rate", "recorded", "--ttft-ms", "0.1", "--users", "9")
    chosen = settings(*words, "--store-latency-ms", "3")
    options = load_options(chosen, Endpoints("redis://s", "ws://h:1", "http://p:1"), Path("r"), "n")
    assert (options["--users"], options["--settle-ms"]) == ("9", "enough")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given, _ = parser.parse_known_args(spelled(options))
    assert read_options(given, "ws://h:1").round_plan(1, 9) == chosen.named("n")
