"""`chunk7 run` for real: a short run, and one that is killed, in part or whole, in the middle."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import SMALL, Ended, Running, chunk7, left_over

from chunk7.analysis.run_folder import load_run

pytestmark = pytest.mark.live

ENDS_WITHIN_S = 10
"""From the death of a part to the end of chunk7: promised to users."""

BUSY = ("was saturated", "after their plan")
"""Reasons against a run that are this machine's, when it has other work."""

RESULT_KEYS = {
    *("connect", "write", "connections", "lossy_connections"),
    *("loss_rate", "loss_rate_low", "loss_rate_high", "causes"),
    *("chunks_expected", "chunks_delivered", "chunks_lost", "chunks_undetermined"),
    *("chunks_duplicate", "chunks_out_of_order", "chunks_unexpected", "chunks_lost_predicted"),
    *("window_ms", "gap_ms", "join_ms", "chunk_latency_ms"),
}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the short run writes."""
    return tmp_path_factory.mktemp("short") / "run"


@pytest.fixture(scope="module")
def short(run_folder: Path) -> Ended:
    """A short run of two cells."""
    orderings = ("--connect", "history_then_subscribe,buffered_merge", "--write", "atomic_lua")
    thresholds = ("--threshold", "buffered_merge: chunks_lost==0")
    words = (*SMALL, *orderings, *thresholds, "--duration", "2", "--node-work-ms", "80")
    return chunk7("run", *words, "--json", "--out", run_folder)


def test_stdout_is_one_document_of_the_promised_shape(short: Ended, run_folder: Path) -> None:
    document = short.document
    assert document.keys() == {"schema", "valid", "invalid_because", "seed", "run_dir", "results"}
    assert (document["schema"], document["seed"]) == (1, 7)
    assert document["run_dir"] == str(run_folder)
    assert all(result.keys() >= RESULT_KEYS for result in document["results"])


def test_a_short_run_is_valid_and_its_exit_code_says_so(short: Ended) -> None:
    against = short.document["invalid_because"]
    assert [reason for reason in against if not any(busy in reason for busy in BUSY)] == []
    assert short.code == (98 if against else 0), short.stderr


def test_the_accounts_cross_foot_and_every_user_joined_every_cell(short: Ended) -> None:
    results = short.document["results"]
    assert [(result["connect"], result["write"]) for result in results] == [
        ("history_then_subscribe", "atomic_lua"),
        ("buffered_merge", "atomic_lua"),
    ]
    for result in results:
        assert result["connections"] == 12
        parts = ("delivered", "lost", "undetermined")
        assert result["chunks_expected"] == sum(result[f"chunks_{part}"] for part in parts) > 0


def test_the_bug_loses_chunks_and_the_fix_does_not(short: Ended) -> None:
    bug, fix = short.document["results"]
    assert bug["chunks_lost"] > 0  # 12 joins x 20 chunks/s x 80 ms: 19 on average
    assert (fix["chunks_lost"], fix["chunks_duplicate"], fix["chunks_out_of_order"]) == (0, 0, 0)


def test_the_run_folder_has_what_was_promised(short: Ended, run_folder: Path) -> None:
    assert short.stdout
    names = {path.name for path in run_folder.iterdir()}
    assert names >= {
        *("manifest.json", "summary.json", "logs", "raw", "pids.json"),
        *("published.parquet", "joins.parquet", "connections.parquet"),
        *("report.html", "report.md", "junit.xml", "figures"),
    }
    logs = {path.name for path in (run_folder / "logs").iterdir()}
    assert logs >= {"store.log", "node-1.log", "node-2.log", "producer.log", "nginx.log"}
    extra = load_run(run_folder).manifest.extra
    assert extra["settings"]["node_work_ms"] == 80
    assert extra["versions"]["valkey"].startswith("Valkey server")
    assert extra["machine"]["cpu_count"] == os.cpu_count()


def test_the_nodes_take_turns(short: Ended, run_folder: Path) -> None:
    assert short.stdout
    nodes = load_run(run_folder).joins["node"].value_counts().to_dict()
    assert nodes == {"node-1": 12, "node-2": 12}


def test_a_crossed_threshold_ends_in_99_and_says_which(tmp_path: Path) -> None:
    words = (*SMALL, "--duration", "1", "--connect", "buffered_merge", "--write", "atomic_lua")
    thresholds = ("--threshold", "connections<1", "--threshold", "chunks_lost==0")
    done = chunk7("run", *words, *thresholds, "--no-report", "--out", tmp_path / "run")
    crossed = "threshold crossed: buffered_merge x atomic_lua: connections is 12 (connections<1)"
    if "NOT VALID" in done.stdout:
        assert done.code == 98
        assert any(busy in done.stdout for busy in BUSY)
    else:
        assert done.code == 99
        assert crossed in done.stderr
    assert "buffered_merge x atomic_lua keeps all" in done.stdout
    assert str(tmp_path / "run") in done.stdout
    assert not (tmp_path / "run" / "report.html").exists()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A run in the middle of its first cell, of a minute."""
    words = ("--duration", "60", "--connect", "history_then_subscribe", "--write", "atomic_lua")
    command = Running(tmp_path / "run", "run", *SMALL, *words, "--json")
    try:
        command.wait_for_receipts()
        yield command
    finally:
        command.kill()


@pytest.mark.parametrize("victim", ["node-1", "store", "locust"])
def test_a_part_that_is_killed_ends_the_run_in_time_and_is_named(
    running: Running, victim: str
) -> None:
    pids = running.pids
    os.kill(pids[victim], signal.SIGKILL)
    killed = time.monotonic()
    ended = running.end()
    assert time.monotonic() - killed < ENDS_WITHIN_S
    assert ended.code == 1
    assert f"chunk7 run: error: {victim} was killed by SIGKILL" in ended.stderr
    assert len(ended.stderr.split("error:")[1].splitlines()) <= 16
    assert left_over(pids) == []
    check_broken_off(running, ended, f"{victim} was killed by SIGKILL")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_what_was_recorded_is_kept(
    running: Running, number: signal.Signals, code: int
) -> None:
    pids = running.pids
    os.kill(running.pid, number)
    ended = running.end()
    assert ended.code == code
    assert ended.stderr.endswith(f"chunk7 run: error: stopped by {number.name}\n")
    assert left_over(pids) == []
    check_broken_off(running, ended, f"stopped by {number.name}")


def test_nothing_survives_a_kill_of_chunk7_itself(running: Running) -> None:
    pids = running.pids
    running.kill()
    deadline = time.monotonic() + 20
    while left_over(pids) and time.monotonic() < deadline:
        time.sleep(0.05)  # poll, bounded by the deadline
    assert left_over(pids) == []


def check_broken_off(running: Running, ended: Ended, why: str) -> None:
    """The document says why, and the records can be read."""
    assert ended.document["valid"] is False
    assert ended.document["invalid_because"][0].startswith(why)
    run = load_run(running.folder)
    assert len(run.published) > 0
    assert len(run.connections) > 0
    assert sum(len(receipts.seq) for receipts in run.receipts()) > 0
