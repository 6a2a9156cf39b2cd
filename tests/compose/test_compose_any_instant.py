"""Ctrl-C at any instant of a run in containers: none stays, and the folder is one that can be read.

One instant in the gate; `make interrupts` tries twenty, and `INSTANTS=` as many as one likes.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from call_kit import Call
from interrupt_kit import STOPPED, assert_readable, came_before_ours, instants
from stack import remains_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

WITHIN_S = 60.0
"""Longest end: all containers together have 10 s for an orderly one."""
RUN = ("--users", "12", "--sessions", "3", "--nodes", "2", "--duration", "4")
PAIR = ("--connect", "history_then_subscribe", "--write", "atomic_lua")
STRUCK = ("--fault", "node_pause@1s:for=1s", "--fault", "store_pause@2500ms:for=1s")
"""What is frozen heeds no stop of its own."""


@pytest.mark.parametrize("instant_s", instants(begun_s=0.2, whole_s=30.0, fewest=1))
def test_ctrl_c_leaves_a_readable_folder_and_no_container(
    engine: None, tmp_path: Path, call: Call, instant_s: float
) -> None:
    began, folder = time.monotonic(), tmp_path / "run"
    words = ("run", "--cluster", "compose", *RUN, *PAIR, *STRUCK, "--out", str(folder))
    process = subprocess.Popen(
        [sys.executable, "-m", "chunk7", *words], stderr=subprocess.PIPE, text=True
    )
    try:
        time.sleep(max(0.0, began + instant_s - time.monotonic()))  # the instant is what is tested
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=WITHIN_S)
    finally:
        process.kill()
    if came_before_ours(process.returncode, said):
        assert not folder.exists()
        return
    assert process.returncode in (0, *STOPPED), said
    assert "Traceback" not in said
    assert remains_of(f"chunk7-run-{process.pid}") == []
    if process.returncode in STOPPED:
        assert said.endswith("stopped by SIGINT\n")
    assert_readable(folder, call)
