"""`chunk7 simulate` as a user meets it: its output and its exit code."""

import functools
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from call_kit import Call

from chunk7.analysis.results import Summary
from chunk7.cluster.cells import DEFAULT_CELLS

FEW = ("--sessions", "8")
"""Few answers are quickly written."""


Simulate = Callable[..., "subprocess.CompletedProcess[str]"]
Document = Callable[..., Any]


@pytest.fixture
def simulate(call: Call) -> Simulate:
    """`chunk7 simulate` with few answers."""
    return functools.partial(call, "simulate", *FEW)


@pytest.fixture
def document(simulate: Simulate) -> Document:
    """The document that it prints and nothing else, from JSON."""

    def ask(*arguments: str) -> Any:
        done = simulate(*arguments, "--json")
        assert (done.returncode, said(done)) == (0, [])
        return json.loads(done.stdout)

    return ask


def said(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines on stderr, but for those that say how far it is."""
    return [line for line in done.stderr.splitlines() if not re.match(r"\d+/\d+ \w+ x \w+", line)]


def process(*arguments: str) -> str:
    """The stdout of a process of its own."""
    words = [sys.executable, "-m", "chunk7", "simulate", *FEW, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_by_default_it_simulates_the_cells_of_a_run(document: Document) -> None:
    found = document("--connections", "500")
    cells = [(result["connect"], result["write"]) for result in found["results"]]
    assert cells == [(c, w) for c, writes in DEFAULT_CELLS.items() for w in writes]
    assert len(cells) == 11


def test_where_no_bar_can_be_a_line_says_which_cell_begins(simulate: Simulate) -> None:
    """On a pipe it said nothing until all was done: minutes for millions of connections."""
    orderings = ("--connect", "redis_streams,buffered_merge", "--write", "stream_append,atomic_lua")
    done = simulate("--connections", "300", *orderings, "--json")
    assert done.stderr.splitlines() == [
        "1/2 redis_streams x stream_append",
        "2/2 buffered_merge x atomic_lua",
    ]


def test_a_long_cell_says_how_far_it_is(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunk7.commands.simulate.LINE_EVERY_S", 0.0)
    long = ("--connections", "200000", "--engine", "vectorised", "--connect", "redis_streams")
    assert simulate(*long).stderr.splitlines() == [
        "1/1 redis_streams x stream_append",
        "1/1 redis_streams x stream_append, 33%",
        "1/1 redis_streams x stream_append, 66%",
        "1/1 redis_streams x stream_append, 98%",
    ]


def test_the_document_is_that_of_a_run(simulate: Simulate) -> None:
    done = simulate("--connections", "300", "--connect", "redis_streams", "--json")
    summary = msgspec.json.decode(done.stdout, type=Summary)
    assert (summary.schema, summary.valid, summary.seed, summary.run_dir) == (1, True, 7, "")
    fields = {field.name for field in msgspec.structs.fields(type(summary.results[0]))}
    assert set(json.loads(done.stdout)["results"][0]) == fields


def test_the_same_seed_gives_the_same_bytes(simulate: Simulate) -> None:
    options = ("--connections", "400", "--node-work-ms", "exponential(10)", "--json")
    once = process(*options)
    assert once == process(*options)
    assert once != simulate(*options, "--seed", "8").stdout


def test_the_engines_print_the_same_document(document: Document) -> None:
    options = ("--connections", "2000", "--store-latency-ms", "0.5", "--save-lag-ms", "20")
    assert document(*options, "--engine", "events") == document(*options, "--engine", "vectorised")


def test_the_headline_subscribing_first_still_loses_with_the_reports_producer(
    simulate: Simulate,
) -> None:
    options = ("--connect", "subscribe_then_history", "--save-lag-ms", "20")
    done = simulate(*options, "--connections", "2000")
    assert done.returncode == 0
    assert "subscribe_then_history x publish_then_save loses" in done.stdout
    assert "subscribe_then_history x atomic_lua keeps all" in done.stdout


@pytest.mark.parametrize(
    ("preset", "claimed", "at_least"),
    [("seed-single-node-low-load", 0.01, 0.4), ("seed-multi-node-high-load", 0.1, 0.9)],
)
def test_a_preset_puts_the_claim_beside_what_comes_out(
    document: Document, simulate: Simulate, preset: str, claimed: float, at_least: float
) -> None:
    cell = ("--connect", "history_then_subscribe", "--write", "publish_then_save")
    options = ("--preset", preset, "--connections", "20000", *cell)
    claim = document(*options)["claim"]
    assert claim["loss_rate_high"] == claimed
    assert claim["loss_rate"] > at_least
    duty = claim["implied_duty"][1]
    again = document(*options, "--duty", str(duty))["claim"]
    assert again["loss_rate"] == pytest.approx(claimed, rel=0.25)  # 200 lossy: 3.5 sigma
    assert again["implied_duty"][1] == pytest.approx(duty, rel=0.25)
    text = simulate(*options).stdout
    assert "The bug report claims" in text
    assert "would have to fall into a streaming answer" in text


def test_results_and_settings_are_written_where_out_says(
    document: Document, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "folder"
    options = (
        "--connections",
        "100",
        "--connect",
        "redis_streams",
        "--save-lag-ms",
        "uniform(1,2)",
    )
    found = document(*options, "--out", str(folder))
    assert json.loads((folder / "summary.json").read_text()) == found
    assert found["run_dir"] == str(folder)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["save_lag"] == "uniform(1,2)"
    assert settings["connections"] == 100


def test_faults_are_written_as_they_are_given(simulate: Simulate, tmp_path: Path) -> None:
    """Their name had become another field, and with --out it ended in a traceback."""
    faults = ("--faults", "node_kill(5000,100)", "--connections", "100", "--out", str(tmp_path))
    assert simulate("--connect", "redis_streams", *faults).returncode == 0
    assert json.loads((tmp_path / "settings.json").read_text())["faults"] == ["node_kill(5000,100)"]


def test_a_crossed_threshold_ends_in_99(simulate: Simulate) -> None:
    cell = ("--connect", "history_then_subscribe", "--write", "publish_then_save")
    options = ("--connections", "2000", *cell)
    held = simulate(*options, "--threshold", "loss_rate<=1")
    crossed = simulate(*options, "--threshold", "loss_rate==0")
    assert (held.returncode, crossed.returncode) == (0, 99)
    assert "threshold crossed: history_then_subscribe x publish_then_save" in crossed.stderr


def test_a_limit_that_so_few_cannot_prove_is_said_before_and_after(simulate: Simulate) -> None:
    cell = ("--connect", "buffered_merge", "--write", "atomic_lua", "--connections", "120")
    done = simulate(*cell, "--threshold", "loss_rate<=0.001")
    assert done.returncode == 0
    before, after = said(done)
    assert before == (
        "threshold cannot be proven: loss_rate<=0.001: 120 connections a cell without a loss leave "
        "3.1% possible; --connections 3838 could"
    )
    assert after.startswith("threshold not proven: buffered_merge x atomic_lua: loss_rate is 0, ")
    assert said(simulate(*cell, "--threshold", "loss_rate_high<=0.05")) == []


def test_faults_come_from_the_command_line(document: Document) -> None:
    options = ("--connect", "buffered_merge", "--write", "atomic_lua", "--connections", "2000")
    (calm,) = document(*options)["results"]
    (rough,) = document(*options, "--faults", "store_kill_pubsub(4000,100)")["results"]
    assert calm["chunks_lost"] == 0
    assert set(rough["causes"]) == {"store_reconnect"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--preset", "seed"), "--preset seed: one of seed-single-node-low-load"),
        (("--connections", "0"), "--connections 0: must be between 1 and 1000000000"),
        (("--chunk-rate", "-1"), "--chunk-rate -1: must be between 0.001 and 1000000"),
        (("--duty", "2"), "--duty 2: must be between 1e-06 and 1"),
        (("--node-work-ms", "gauss(1)"), "--node-work-ms 'gauss(1)': must be a number, constant"),
        (("--save-lag-ms", "-3"), "--save-lag-ms: value_ms is -3: must be 0 or more"),
        (("--arrivals", "often"), "--arrivals often: must be one of even, poisson, bursty"),
        (("--joins", "x"), "--joins x: must be one of uniform, poisson"),
        (("--engine", "gpu"), "--engine gpu: must be one of events, vectorised"),
        (("--faults", "fire"), "--faults 'fire': must be one of node_kill"),
        (("--engine", "vectorised", "--faults", "store_kill_pubsub"), "faults need the engine"),
        (("--connect", "nope"), "--connect: unknown ordering 'nope'"),
        (
            ("--connect", "redis_streams", "--write", "atomic_lua"),
            "--connect redis_streams: pairs with",
        ),
        (("--threshold", "loss"), "threshold 'loss': write METRIC"),
        (("--out", "/proc/none"), "--out /proc/none: "),
        (("--sessions", "100000", "--message-chunks", "1000"), "sessions x message_chunks"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    simulate: Simulate, arguments: tuple[str, ...], complaint: str
) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"chunk7 simulate: error: {complaint}")
    assert done.stderr.count("\n") == 1


# --- a user's own file ---

HEADER = """
from chunk7.delivery.effects import *
from chunk7.delivery.ordering import connect_ordering
"""


def own(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    path.write_text(HEADER + textwrap.dedent(body))
    return f"{path}:mine"


def test_a_users_own_ordering_runs_in_both_engines(document: Document, tmp_path: Path) -> None:
    spec = own(
        tmp_path,
        """
        @connect_ordering()
        def mine(join):
            yield Subscribe()
            yield SendHistory((yield ReadHistory(after_seq=join.after_seq)))
            yield SendWelcome()
        """,
    )
    for engine in ("events", "vectorised"):
        (found,) = document(
            "--connect", spec, "--write", "atomic_lua", "--engine", engine,
            "--store-latency-ms", "exponential(5)", "--connections", "3000",
        )["results"]  # fmt: skip
        assert found["connect"] == "mine"
        assert set(found["causes"]) == {"unconfirmed_subscribe"}


@pytest.mark.parametrize(
    ("body", "complaint", "code"),
    [
        ("def mine(join)\n    pass", "mine.py:4: expected ':'", 2),
        (
            "@connect_ordering()\ndef mine(join):\n    yield 'subscribe'",
            "yielded 'subscribe', which is no effect",
            1,
        ),
        (
            "@connect_ordering()\ndef mine(join):\n    while True:\n        yield Pause()",
            "asked for more than 1000 effects",
            1,
        ),
    ],
    ids=["syntax", "effect", "endless"],
)
def test_a_broken_file_is_named(
    simulate: Simulate, tmp_path: Path, body: str, complaint: str, code: int
) -> None:
    done = simulate("--connect", own(tmp_path, body), "--write", "atomic_lua")
    assert complaint in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("impatient")
def test_a_file_that_loops_for_ever_is_given_up(simulate: Simulate, tmp_path: Path) -> None:
    body = "@connect_ordering()\ndef mine(join):\n    while 1:\n        pass\n    yield Pause()"
    test_a_broken_file_is_named(simulate, tmp_path, body, "it seems to loop for ever", 1)
