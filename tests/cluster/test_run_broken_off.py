"""`chunk7 run` that is killed, in part or whole, in the middle of its first cell."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command import SMALL, Ended, Running, left_over

from chunk7.analysis.run_folder import load_run

pytestmark = pytest.mark.live

ENDS_WITHIN_S = 10
"""From the death of a part to the end of chunk7: promised to users."""


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


def test_a_locust_worker_that_is_killed_makes_the_run_not_valid_and_keeps_its_data(
    tmp_path: Path,
) -> None:
    words = ("--processes", "2", "--duration", "4", "--no-report", "--json")
    pair = ("--connect", "buffered_merge", "--write", "atomic_lua")
    running = Running(tmp_path / "run", "run", *SMALL, *words, *pair)
    try:
        records = running.folder / "raw" / "locust-1.receipts.arrows"
        running.wait_for(lambda: records.exists() and records.stat().st_size > 0)
        _, worker = sorted(psutil.Process(running.pids["locust"]).children(), key=lambda c: c.pid)
        worker.kill()
        ended = running.end()
    finally:
        running.kill()
    assert ended.code == 98, ended.stderr
    cut = {f"locust-{number} was cut short: its records have no end" for number in (0, 1)}
    assert len(cut & {*ended.document["invalid_because"]}) == 1
    [result] = ended.document["results"]
    assert result["chunks_delivered"] > 0
