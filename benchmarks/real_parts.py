"""A real store and a real node, each a process of its own, for what tries their patience."""

import contextlib
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.local import python
from chunk7.cluster.deployments.probes import free_ports

HOST = "127.0.0.1"
START_WITHIN_S = 20.0
STOP_WITHIN_S = 20.0
_LISTENING = re.compile(r"listening on .*:(\d+)$", re.M)


@dataclass(frozen=True, slots=True)
class RealStore:
    """A running valkey-server."""

    process: psutil.Process
    url: str


@dataclass(frozen=True, slots=True)
class RealNode:
    """A running node; `log` is what it says on stderr, `records` its folder."""

    process: psutil.Popen
    port: int
    log: Path
    records: Path

    def metric(self, sample: str) -> float:
        """The value of one line of /metrics. Raises OSError, KeyError."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=10) as answer:
            lines = (line.decode().split() for line in answer)
            return float(dict(line for line in lines if len(line) == 2)[sample])


@contextlib.contextmanager
def real_store(folder: Path) -> Iterator[RealStore]:
    """A valkey-server that keeps everything in memory, stopped at the end."""
    [port] = free_ports(1)
    options = ["--port", str(port), "--save", "", "--dir", str(folder), "--bind", HOST]
    with (folder / "store.log").open("wb") as log:
        process = psutil.Popen([valkey_server(), *options], stdout=log, stderr=log)
    with _stopped(process):
        _wait_for(folder / "store.log", re.compile("Ready to accept"), process)
        yield RealStore(process, f"redis://{HOST}:{port}/0")


@contextlib.contextmanager
def real_node(store_url: str, folder: Path, *options: str, name: str = "n1") -> Iterator[RealNode]:
    """A node on any free port, stopped at the end; its exit code is `process.returncode`."""
    log, records = folder / f"{name}.log", folder / "raw"
    required = {"--listen": f"{HOST}:0", "--redis": store_url, "--name": name, "--records": records}
    with log.open("wb") as output:
        process = psutil.Popen([*python("chunk7.nodes", required), *options], stderr=output)
    with _stopped(process):
        port = int(_wait_for(log, _LISTENING, process)[1])
        yield RealNode(process, port, log, records)


@contextlib.contextmanager
def _stopped(process: psutil.Popen) -> Iterator[None]:
    try:
        yield
    finally:
        process.resume()  # a test may have paused it
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(log: Path, pattern: re.Pattern[str], process: psutil.Popen) -> re.Match[str]:
    """The line that says that it is ready. Raises RuntimeError when it does not come."""
    deadline_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if found := pattern.search(log.read_text()):
            return found
        time.sleep(0.01)  # poll, bounded by the deadline
    raise RuntimeError(f"it did not start: {log.read_text()[-500:]}")
