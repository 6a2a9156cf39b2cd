"""Ctrl-C while a command is still importing, and a reader that has seen enough."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PRESSED = """
import os, signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
sys.argv = ["chunk7", *{words!r}]
from chunk7.__main__ import main
code = main()
sys.stderr.write("went on\\n")
sys.exit(code)
"""
ENDLESS = """
while True:
    pass
"""


def pressed(module: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command, for which Ctrl-C comes as it begins to import the module."""
    return subprocess.run(
        [sys.executable, "-c", PRESSED.format(module=module, words=words)],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("module", ["chunk7.cli", "argparse", "chunk7.commands.explore"])
def test_ctrl_c_before_there_is_anything_to_clean_up_is_a_line(module: str) -> None:
    """In the first tenth of a second it used to be a traceback, through whatever was imported."""
    ended = pressed(module, "explore")
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "chunk7: stopped by SIGINT\n"


def test_ctrl_c_while_a_job_imports_what_it_needs_is_a_line_too(tmp_path: Path) -> None:
    ended = pressed("pandas", "report", str(tmp_path))
    assert (ended.returncode, ended.stderr) == (130, "chunk7: stopped by SIGINT\nwent on\n")


def test_who_is_to_ignore_it_ignores_it() -> None:
    """A shell has its background jobs ignore Ctrl-C."""
    code = PRESSED.format(module="chunk7.cli", words=("--version",))
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + code
    ended = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "went on\n")
    assert ended.stdout.startswith("chunk7 ")


def test_ctrl_c_in_a_terminal_is_one_line_although_it_reaches_a_child_too(tmp_path: Path) -> None:
    """The process in which somebody's file is explored used to print a traceback of its own."""
    path, began = tmp_path / "own.py", tmp_path / "began"
    path.write_text(f"open({str(began)!r}, 'w').close()\n{ENDLESS}")
    process = subprocess.Popen(
        [sys.executable, "-m", "chunk7", "explore", "--connect", f"{path}:mine"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.01)  # poll, bounded by the deadline
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out, err) == (130, "", "chunk7: stopped by SIGINT\n")


@pytest.mark.parametrize("words", [["explore", "--chunks", "1"], ["--version"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_is_no_error(words: list[str]) -> None:
    """`chunk7 explore | head` used to end with a traceback."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "chunk7", *words], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (141, "")
