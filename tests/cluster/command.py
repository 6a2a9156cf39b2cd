"""The real `chunk7` command as a subprocess."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

CHUNK7 = (sys.executable, "-m", "chunk7")
PORTS = ("--port", "--web-port", "--status-port")
"""Those of `chunk7 up`: proxy, web UI, status."""
ATTEMPTS, NOT_VALID = 3, 98
SMALL = ("--users", "12", "--sessions", "3", "--chunk-rate", "20", "--nodes", "2")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout, which must be one JSON document."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document


def chunk7(
    *words: object, within_s: float = 60, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run the command to its end; `environment` is added to our own."""
    command = [*CHUNK7, *map(str, words)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=within_s,
        env={**os.environ, **(environment or {})},
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def valid_run(place: Path, *words: object, environment: Mapping[str, str] | None = None) -> Ended:
    """`chunk7 run` into a folder of that place; again, twice at most, if a busy machine made it not
    valid. `run_dir` of its document says into which.
    """
    against = []
    for attempt in range(ATTEMPTS):
        shown = ("--json", "--out", place / f"run-{attempt + 1}")
        ended = chunk7("run", *words, *shown, environment=environment)
        if ended.code != NOT_VALID:
            return ended
        against.append(ended.document["invalid_because"])
    pytest.fail(f"no run of {ATTEMPTS} was valid: {against}")


class Running:
    """A `chunk7` under way, its run folder, and the process ids of its parts."""

    def __init__(self, folder: Path, *words: object) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [*CHUNK7, *map(str, words), "--out", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    @property
    def pids(self) -> dict[str, int]:
        """By part, as far as they have been started."""
        path = self.folder / "pids.json"
        found: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def wait_for(self, condition: Callable[[], bool], within_s: float = 60) -> None:
        """Poll until it holds; fails when it does not in time, or the command ends first."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert self._process.poll() is None, self._process.communicate()
            assert time.monotonic() < deadline, "it did not come so far in time"
            time.sleep(0.02)  # poll, bounded by the deadline

    def wait_for_receipts(self, table: str = "receipts") -> None:
        """Until clients have received chunks, and that is on disk."""
        receipts = self.folder / "raw" / f"locust.{table}.arrows"
        self.wait_for(lambda: receipts.exists() and receipts.stat().st_size > 0)

    def line(self) -> str:
        """The next line on stdout. What is read so is missing from `end().stdout`, and so may be
        what came with it: `communicate` does not look into the reader's buffer.
        """
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self, within_s: float = 60) -> Ended:
        """Wait for its end."""
        stdout, stderr = self._process.communicate(timeout=within_s)
        return Ended(self._process.returncode, stdout, stderr)

    def kill(self) -> None:
        """End it the hard way, if it has not ended; its parts then end by themselves."""
        self._process.kill()
        self._process.communicate()


def left_over(pids: dict[str, int]) -> list[str]:
    """What still runs of these parts and their children, who share their session."""
    sessions, left = set(pids.values()), []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            in_session = os.getsid(process.pid) in sessions
            if in_session and process.info["status"] != psutil.STATUS_ZOMBIE:
                left.append(" ".join(process.cmdline()))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return left


def asked(port: int, path: str, form: bytes | None = None) -> Any:
    """What is answered there, from JSON; 503 is what a busy cluster may say of its health."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", form, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise
        return json.load(error)
