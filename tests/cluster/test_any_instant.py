"""Ctrl-C at any instant of a run: no process stays, and the folder is one that can be read.

A few instants in the gate; `make interrupts` tries twenty, and `INSTANTS=` as many as one likes.
"""

import os
import signal
import time
from pathlib import Path

import pytest
from call_kit import Call
from command import SMALL, Running, left_over
from interrupt_kit import STOPPED, assert_readable, came_before_ours, instants

pytestmark = pytest.mark.live

RUN = ("--duration", "1", "--connect", "history_then_subscribe", "--write", "atomic_lua")


# A tenth of a second after its start the interpreter is there, on a busy machine later; before,
# Ctrl-C is its own (`chunk7.__main__`). The whole run takes about five.
@pytest.mark.parametrize("instant_s", instants(begun_s=0.1, whole_s=5.0, fewest=3))
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
    if came_before_ours(ended.code, ended.stderr):
        assert (running.pids, running.folder.exists()) == ({}, False)
        return
    assert ended.code in (0, *STOPPED), ended
    assert "Traceback" not in ended.stderr
    assert left_over(running.pids) == []
    if ended.code in STOPPED:
        assert ended.stderr.endswith("stopped by SIGINT\n")
    assert_readable(running.folder, call)
