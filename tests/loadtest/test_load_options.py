from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from delivery.errors import UsageError
from loadtest.options import add_arguments, read_options
from wire.timetable import Cell


def parse(*arguments: str, **typed_in: object) -> Namespace:
    """The command line's options, some then changed as the web UI would."""
    parser = ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(arguments)
    vars(parsed).update(typed_in)
    return parsed


def test_defaults_make_the_bug_report_run() -> None:
    options = read_options(parse(), "ws://localhost:8080/")
    assert options.cells == (Cell("history_then_subscribe", "publish_then_save"),)
    assert options.host == "ws://localhost:8080"
    assert options.chunk_rate is None
    assert options.records == Path("runs", options.run_name, "raw")
    assert options.fill_gaps == {"sequence_gap_fill"}


def test_cells_go_before_connect_and_write() -> None:
    options = read_options(
        parse("--connect", "no", "--cells", "a x b;  my/file.py:c  x  d ;"), "ws://h:1"
    )
    assert options.cells == (Cell("a", "b"), Cell("my/file.py:c", "d"))


def test_what_the_web_ui_types_in_is_text_and_read_all_the_same() -> None:
    options = read_options(
        parse(sessions="5", chunk_rate=" 12.5 ", cell_duration_s="1.5", chunk7_seed="3"), "ws://h:1"
    )
    assert (options.sessions, options.chunk_rate, options.duration_ms, options.seed) == (
        5,
        12.5,
        1_500,
        3,
    )


def test_later_orders_have_sessions_and_draws_of_their_own() -> None:
    options = read_options(parse("--run-name", "r", "--chunk7-seed", "10"), "ws://h:1")
    first, second = options.order(1, lead_ms=700), options.order(2, lead_ms=1_000)
    assert (first.run, first.seed, first.lead_ms) == ("r", 10, 700)
    assert (second.run, second.seed, second.lead_ms) == ("r-2", 11, 1_000)
    assert first.cells == second.cells


@pytest.mark.parametrize(
    ("typed_in", "line"),
    [
        ({"producer": "localhost:80"}, "--producer: 'localhost:80' is not http://HOST:PORT"),
        ({"producer": "http://h:port"}, "--producer: 'http://h:port' is not http://HOST:PORT"),
        ({"cells": "a x b x c"}, "--cells: 'a x b x c' is not CONNECT x WRITE"),
        ({"cells": " ; "}, "--cells: at least one CONNECT x WRITE"),
        ({"connect": ""}, "--cells: 'x publish_then_save' is not CONNECT x WRITE"),
        ({"sessions": 0}, "--sessions: 0 is not a number from 1 to 10000"),
        ({"sessions": "many"}, "--sessions: 'many' is not a number from 1 to 10000"),
        ({"chunk_rate": "-1"}, "--chunk-rate: '-1' is not a number from 0.01 to 10000"),
        ({"jitter": float("nan")}, "--jitter: nan is not a number from 0 to 10"),
        ({"node_work_ms": -1.0}, "--node-work-ms: -1.0 is not a number from 0 to 10000"),
        ({"save_lag_ms": 1e9}, "--save-lag-ms: 1000000000.0 is not a number from 0 to 10000"),
        ({"cell_duration_s": 0.0}, "--cell-duration-s: 0.0 is not a number from 0.1 to 86400"),
        ({"chunk7_seed": -1}, "--chunk7-seed: -1 is not a number from 0 to 9007199254740992"),
        ({"run_name": "a b"}, "--run-name: 'a b' is not 1 to 56 letters, digits, - or _"),
        (
            {"settle_ms": 5_000},
            "--settle-ms: 5000 leaves no time to join in, less than 5000 with --cell-duration-s 10",
        ),
    ],
)
def test_a_bad_option_is_named_with_what_it_may_be(typed_in: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_options(parse(**typed_in), "ws://h:1")
    assert str(caught.value) == line


@pytest.mark.parametrize("host", [None, "", "http://h:1", "ws://", "ws://h:0", "wss://h:1"])
def test_the_host_is_a_websocket_address(host: str | None) -> None:
    with pytest.raises(UsageError, match=r"^--host: .* is not ws://HOST:PORT$"):
        read_options(parse(), host)
