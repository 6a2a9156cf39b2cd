"""Real parts for the tests: a valkey-server of our own on a Unix-assigned port."""

import gc
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import redis

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.probes import free_ports

if TYPE_CHECKING:
    from call_kit import Call


gc.disable()
"""Until all tests are imported and collected: nothing of that ever goes, and all of it would be
looked through again and again."""


def pytest_collection_finish() -> None:
    """Nor is it looked through while tests run."""
    gc.freeze()
    gc.enable()


def pytest_configure() -> None:
    """A shell has its background jobs ignore Ctrl-C; what we start must not inherit that. And an
    example may take as long as this machine needs: an import, or somebody else's work, is no fault.
    How wide the terminal of the tests is, pytest-xdist tells its workers; that is not our width.
    """
    os.environ.pop("COLUMNS", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile("no deadline", deadline=None)
    hypothesis.settings.load_profile("no deadline")


@pytest.hookimpl(trylast=True)  # of those that were selected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where something lasts, it begins first, then the files with most clusters, then those with
    most tests: workers that take a file at a time, in this order, end at about the same time.
    """
    if any(map(_lasts, items)):
        tests = Counter(item.path for item in items)
        live = Counter(item.path for item in items if item.get_closest_marker("live"))
        items.sort(key=lambda item: (not _lasts(item), -live[item.path], -tests[item.path]))


def _lasts(item: pytest.Item) -> bool:
    return item.get_closest_marker("lasting") is not None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where CI is set, a skipped test is a failed gate: there everything can be had."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> "Call":
    """Calls the `chunk7` command in this process; see tests/call_kit.py."""
    from call_kit import caller  # with all that chunk7 needs: a second

    return caller(capfd)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that loops for ever shows no sign of life: it is given up after 0.3 s, not 5 s."""
    monkeypatch.setattr("chunk7.simulator.explore.guard.PATIENCE_S", 0.3)


@pytest.fixture(scope="session")
def store_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that lives as long as the test session."""
    [port] = free_ports(1)
    folder = tmp_path_factory.mktemp("store")
    log = folder / "store.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [valkey_server(), "--port", str(port), "--save", "", "--dir", str(folder)],
            stdout=output,
            stderr=output,
        )
    try:
        _wait_for_port(port, process, log)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def store_url(store_process: str) -> str:
    """The same store, emptied."""
    with redis.Redis.from_url(store_process) as client:
        client.flushall()
    return store_process


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.01)  # poll, bounded by the deadline
    pytest.fail(f"the store did not start: {log.read_text()}")
