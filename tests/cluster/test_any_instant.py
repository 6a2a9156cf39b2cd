"""Ctrl-C at any instant of a run: no process stays, and the folder is one that can be read.

A few instants in the gate; `make interrupts` tries twenty, and `INSTANTS=` as many as one likes.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from call_kit import Call
from command import SMALL, Running, left_over

pytestmark = pytest.mark.live

SEED = 13
WHOLE_S = 5.0
"""About what the run takes from the command's start to its end."""
BEGUN_S = 0.1
"""By then the interpreter has started; before, Ctrl-C is its own (`chunk7.__main__`)."""
STOPPED = (130, -signal.SIGINT)
"""The second is what Python makes of it where it came in the midst of an import; 130 to a shell."""
RUN = ("--duration", "1", "--connect", "history_then_subscribe", "--write", "atomic_lua")


def instants(count: int) -> list[float]:
    """Seconds from the command's start: one at random in each of so many equal parts."""
    rng, part_s = random.Random(SEED), (WHOLE_S - BEGUN_S) / count
    return [round(BEGUN_S + (number + rng.random()) * part_s, 3) for number in range(count)]


@pytest.mark.parametrize("instant_s", instants(int(os.environ.get("INSTANTS", "3"))))
def test_ctrl_c_leaves_a_readable_folder_and_no_process(
    tmp_path: Path, call: Call, instant_s: float
) -> None:
    began = time.monotonic()
    running = Running(tmp_path / "run", "run", *SMALL, *RUN)
    try:
        time.sleep(max(0.0, began + instant_s - time.monotonic()))  # the instant is what is tested
        os.kill(running.pid, signal.SIGINT)
        ended = running.end()
    finally:
        running.kill()
    assert ended.code in (0, *STOPPED), ended
    assert "Traceback" not in ended.stderr
    assert left_over(running.pids) == []
    assert not list(tmp_path.rglob("*.partial-*"))
    if ended.code in STOPPED:
        assert ended.stderr.endswith("stopped by SIGINT\n")
    if (running.folder / "manifest.json").exists():
        told = call("report", running.folder)
        assert told.returncode == (98 if ended.code in STOPPED else 0), told
        assert (running.folder / "report.html").exists()
    else:
        assert call("report", running.folder).returncode == 2
