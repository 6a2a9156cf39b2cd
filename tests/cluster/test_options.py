"""Option types and settings: what is allowed, and the one line for what is not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chunk7.cli import COMMANDS, Subcommand, main
from chunk7.cluster.options import address, names, number, whole
from chunk7.cluster.settings import RunSettings, read_settings
from chunk7.commands import compare, run, sweep, up
from chunk7.delivery.errors import UsageError
from chunk7.faults import LIVE
from chunk7.faults.live import Need
from chunk7.wire.options import Parser
from chunk7.wire.plan import OPTIONS


def settings(*words: str) -> RunSettings:
    """The settings of a `chunk7 run` command line."""
    parser = Parser(prog="chunk7")
    subparsers = parser.add_subparsers(dest="command")
    run.add_parser(subparsers)
    return read_settings(parser.parse_args(["run", *words]))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-1", "--chunk-rate -1: must be between 0.1 and 10000"),
        ("nan", "--chunk-rate nan: must be between 0.1 and 10000"),
        ("fast", "--chunk-rate fast: want a number"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_range(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        number("--chunk-rate", 0.1, 10_000)(text)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("fault", "needs"),
    [
        ("node_kill@1s", set()),
        ("network_cut@1s:for=500ms", {Need.LINK}),
        ("store_failover@1s", {Need.STORE, Need.LINK, Need.REPLICA}),
    ],
)
def test_a_fault_strikes_containers_too(fault: str, needs: set[Need]) -> None:
    found = settings("--cluster", "compose", "--fault", fault)
    assert found.plan.faults == (fault,)
    assert found.local.needs == needs
    assert found.fault_names == tuple(LIVE)


def test_containers_of_docker_compose_up_have_the_users_own_faults_alone() -> None:
    """Nobody is there who could kill one, as there is of those that `chunk7 up` keeps."""
    words = ["up", "--cluster", "compose", "--fault"]
    parser = Parser(prog="chunk7")
    up.add_parser(parser.add_subparsers(dest="command"))
    kept = read_settings(parser.parse_args([*words, "node_kill@2s"]))
    assert kept.fault_names == tuple(LIVE)

    parser.set_defaults(conducted=False)
    with pytest.raises(UsageError) as caught:
        read_settings(parser.parse_args([*words, "node_kill@2s"]))
    assert str(caught.value) == (
        "--fault node_kill@2s: nobody strikes the containers of docker compose up, which have "
        "slow_client, client_reconnect_storm, client_leave; chunk7 up --cluster compose has it"
    )
    found = read_settings(parser.parse_args([*words, "slow_client@1s:for=500ms"]))
    assert found.fault_names == ("slow_client", "client_reconnect_storm", "client_leave")


def test_numbers_within_their_range_are_taken() -> None:
    assert number("--x", 0, 10)("2.5") == 2.5
    assert whole("--x", 1, 2**53)(str(2**53)) == 2**53
    with pytest.raises(UsageError, match=r"--x 2\.5: want a whole number"):
        whole("--x", 1, 10)("2.5")


def test_an_address_is_a_host_and_a_port() -> None:
    assert address("--listen")("127.0.0.1:80") == ("127.0.0.1", 80)
    for text in ("80", ":80", "host:", "host:0", "host:65536", "host:http"):
        with pytest.raises(UsageError, match="want HOST:PORT"):
            address("--listen")(text)


def test_names_may_be_repeated_or_separated_by_commas() -> None:
    assert names(["a,b", "c", " a ", ""]) == ["a", "b", "c"]
    assert names(None) == []


def test_the_default_run_ends_within_90_seconds_on_two_cores() -> None:
    default = settings()
    assert len(default.cells.cells) == 11
    assert default.length_s < 65  # the rest is for starting, and for judging


def test_slow_joins_get_a_longer_settle_time() -> None:
    prompt = ("--save-lag-ms", "0")
    assert settings(*prompt).plan.quiet_ms == 1_200
    assert settings(*prompt, "--node-work-ms", "800").plan.quiet_ms == 2_200


def test_a_duration_that_leaves_no_room_for_slow_joins_is_refused() -> None:
    with pytest.raises(UsageError, match="--duration: a join may take"):
        settings("--node-work-ms", "5000", "--duration", "10")


def test_streams_are_trimmed_only_if_asked_for() -> None:
    assert settings().local.stream_max_entries is None
    assert settings("--stream-max-entries", "5").local.stream_max_entries == 5


def test_a_threshold_is_checked_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="no metric 'nosuch'"):
        settings("--threshold", "nosuch<1")


def test_an_unknown_option_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--nosuch"]) == 2
    assert capsys.readouterr().err == "chunk7 run: error: unrecognized arguments: --nosuch\n"


def test_an_abbreviated_option_is_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--chunk", "5"]) == 2
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"usage: chunk7 {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [compare, run, sweep, up])
def test_every_option_is_explained_in_the_documentation(command: Subcommand) -> None:
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    parser = Parser(prog="chunk7")
    command.add_parser(parser.add_subparsers())
    options = set(re.findall(r"--[a-z][a-z-]+", options_of(parser)))
    assert {option for option in options if option not in page} == set()


def test_the_documentation_has_every_parameter_with_its_default_and_bounds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
    for found in OPTIONS.values():
        low, high = (replace(found, none="").spelled(bound) for bound in (found.low, found.high))
        default = found.spelled(found.default)
        row = rf"^\| `{found.option} (N|S|MS)` \| {default} \| {low}, {high} \| "
        assert re.search(row, page, re.M), f"no row as {row}"


def options_of(parser: Parser) -> str:
    """The help of the parser's only subcommand."""
    subparsers = next(a for a in parser._actions if isinstance(a.choices, dict))
    assert isinstance(subparsers.choices, dict)
    [subparser] = subparsers.choices.values()
    assert isinstance(subparser, Parser)
    return subparser.format_help()
