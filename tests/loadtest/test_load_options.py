import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.options import add_arguments, chosen_cells, read_options
from chunk7.wire.plan import Cell, Plan, check

LOCUSTFILE = Path(__file__).parents[2] / "loadtest/locustfile.py"


def parse(*arguments: str, **typed_in: object) -> Namespace:
    """The command line's options, some then changed as the web UI would."""
    parser = ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(arguments)
    vars(parsed).update(typed_in)
    return parsed


def test_defaults_make_the_bug_report_run() -> None:
    options = read_options(parse(), "ws://localhost:8080/")
    bug = [Cell("history_then_subscribe", "publish_then_save")]
    assert options.plan == Plan(run=options.plan.run, cells=bug)
    assert options.host == "ws://localhost:8080"
    assert options.records == Path("runs", options.plan.run, "raw")
    assert options.fill_gaps == {"sequence_gap_fill"}


def test_cells_are_what_is_done_unless_connect_and_write_choose_another() -> None:
    cells = ("--cells", "a x b;  my/file.py:c  x  d ;")
    assert read_options(parse(*cells), "ws://h:1").plan.cells == [
        Cell("a", "b"),
        Cell("my/file.py:c", "d"),
    ]
    chosen = read_options(parse(*cells, "--connect", "e", "--write", "f"), "ws://h:1")
    assert chosen.plan.cells == [Cell("e", "f")]


PAIRS = "a x b; a x c; d x c; e x f"


@pytest.mark.parametrize(
    ("connect", "write", "cells"),
    [
        ("all", "all", "d x c"),
        ("", "", "d x c"),
        ("a", "all", "a x b; a x c"),
        ("all", "c", "a x c; d x c"),
        ("a", "c", "a x c"),
    ],
)
def test_of_the_pairs_there_are_all_that_fit_are_done(connect: str, write: str, cells: str) -> None:
    parsed = parse("--pairs", PAIRS, "--cells", "d x c", connect=connect, write=write)
    assert "; ".join(cell.name for cell in chosen_cells(parsed)) == cells


@pytest.mark.parametrize(
    ("connect", "write", "line"),
    [
        ("x", "all", "--connect: 'x' is not all and none of a, d, e"),
        ("a", "y", "--write: 'y' is not all and none of b, c, f"),
        ("a", "f", "--write: f does not go with a, which goes with b, c"),
    ],
)
def test_what_is_no_pair_is_refused(connect: str, write: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen_cells(parse("--pairs", PAIRS, connect=connect, write=write))
    assert str(caught.value) == line


def test_the_settle_time_is_as_long_as_what_is_chosen_takes() -> None:
    slow = read_options(
        parse(
            *("--duration", "4", "--node-work-ms", "80", "--save-lag-ms", "40"),
            *("--store-latency-ms", "10", "--store-delay", "http://h:2"),
        ),
        "ws://h:1",
    )
    assert slow.plan.quiet_ms == 1_200 + (80 + 40 + 12 * 10) / 0.8
    assert read_options(parse("--settle-ms", "700"), "ws://h:1").plan.quiet_ms == 700


def test_what_the_web_ui_types_in_is_text_and_read_all_the_same() -> None:
    typed_in = {"sessions": "5", "chunk_rate": " 12.5 ", "duration_s": "1.5", "seed": "3"}
    plan = read_options(parse(**typed_in), "ws://h:1").plan
    assert (plan.sessions, plan.chunk_rate, plan.duration_ms, plan.seed) == (5, 12.5, 1_500, 3)
    assert read_options(parse(chunk_rate="recorded"), "ws://h:1").plan.chunk_rate is None


def test_later_rounds_have_sessions_and_draws_of_their_own() -> None:
    options = read_options(parse("--run-name", "r", "--seed", "10"), "ws://h:1")
    first, second = options.round_plan(1, users=8), options.round_plan(2, users=9)
    assert (first.run, first.seed, first.number, first.users) == ("r", 10, 1, 8)
    assert (second.run, second.seed, second.number, second.users) == ("r-2", 11, 2, 9)
    assert first.cells == second.cells


def test_a_round_after_the_highest_seed_has_one_that_the_producer_takes() -> None:
    options = read_options(parse("--seed", str(2**53)), "ws://h:1")
    check(options.round_plan(2, users=1))


@pytest.mark.parametrize(
    ("typed_in", "line"),
    [
        ({"producer": "localhost:80"}, "--producer: 'localhost:80' is not http://HOST:PORT"),
        ({"producer": "http://h:port"}, "--producer: 'http://h:port' is not http://HOST:PORT"),
        ({"cells": "a x b x c"}, "--cells: 'a x b x c' is not CONNECT x WRITE"),
        ({"cells": " ; "}, "--cells: at least one CONNECT x WRITE"),
        ({"connect": "a x b"}, "--cells: 'a x b x publish_then_save' is not CONNECT x WRITE"),
        ({"sessions": 0}, "--sessions 0: must be between 1 and 10000"),
        ({"sessions": "many"}, "--sessions many: want a whole number"),
        ({"sessions": "1\n2"}, "--sessions '1\\n2': want a whole number"),
        ({"chunk_rate": "-1"}, "--chunk-rate -1: must be between 0.1 and 10000, or recorded"),
        ({"jitter": float("nan")}, "--jitter nan: must be between 0 and 10"),
        ({"node_work_ms": -1.0}, "--node-work-ms -1.0: must be between 0 and 10000"),
        ({"save_lag_ms": 1e9}, "--save-lag-ms 1000000000.0: must be between 0 and 10000"),
        ({"duration_s": 0.0}, "--duration 0.0: must be between 0.1 and 86400"),
        ({"seed": -1}, "--seed -1: must be between 0 and 9007199254740992"),
        ({"store_delay": "h:1"}, "--store-delay: 'h:1' is not http://HOST:PORT"),
        ({"run_name": "a b"}, "--run-name: 'a b' is not 1 to 56 letters, digits, - or _"),
        (
            {"settle_ms": 5_000, "duration_s": 10},
            "--duration: a join may take 5000 ms with these latencies, so it must be below 7.5 s, "
            "which is one join a user",
        ),
    ],
)
def test_a_bad_option_is_named_with_what_it_may_be(typed_in: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options(parse(**typed_in), "ws://h:1")
    assert str(caught.value) == line


@pytest.mark.parametrize("host", [None, "", "ws://", "ws://h:0"])
def test_the_host_is_a_websocket_address(host: str | None) -> None:
    with pytest.raises(UsageError, match=r"^--host: .* is not ws://HOST:PORT$"):
        read_options(parse(), host)


@pytest.mark.parametrize("host", ["http://h:1", "https://h", "wss://h:1"])
def test_the_host_of_another_system_is_refused_with_the_way_to_an_adapter(host: str) -> None:
    line = r"is not ws://HOST:PORT; another system needs an adapter: chunk7 run --target FILE\.yaml"
    with pytest.raises(UsageError, match=line):
        read_options(parse(), host)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--host", "http://x"], "--host: 'http://x' is not ws://HOST:PORT"),
        ([], "--host: None is not ws://HOST:PORT"),
        (["--host", "ws://x", "--sessions", "0"], "--sessions 0: must be between 1 and 10000"),
        (["--host", "ws://x", "--chunk-rate", "nan"], "--chunk-rate nan: must be between 0.1"),
        (["--host", "ws://x", "--cells", "a"], "--cells: 'a' is not CONNECT x WRITE"),
    ],
)
def test_locust_ends_with_exit_code_2_and_one_line(options: list[str], line: str) -> None:
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--once"]
    outcome = subprocess.run([*locust, *options], capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert line in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr
