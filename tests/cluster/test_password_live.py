"""A store's password is in nothing that a run shows or leaves behind."""

import sys
from pathlib import Path

import psutil
import pytest
from command import SMALL, Running
from store_kit import HOST, server

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PASSWORD = "s3cret-w0rd"


def command_lines(running: Running) -> dict[int, bytes]:
    """Of the command, its parts and their children: as everybody on the machine can read them."""
    command = psutil.Process(running.pid)
    pids = {process.pid for process in (command, *command.children(recursive=True))}
    return {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}


def files_with(text: str, folder: Path) -> list[Path]:
    """Those that have the text in them, or in their names."""
    paths = list(folder.rglob("*"))
    assert any(path.is_file() for path in paths)
    return [p for p in paths if text in p.name or (p.is_file() and text.encode() in p.read_bytes())]


@pytest.mark.measured  # for the run must be valid
def test_a_password_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    """Children used to be given the URL, password included, on their command lines."""
    words = ("--connect", "buffered_merge", "--write", "atomic_lua", *SMALL, "--duration", "2")
    with server(tmp_path / "store", "--requirepass", PASSWORD) as store:
        url = f"redis://:{PASSWORD}@{HOST}:{store.port}/0"
        running = Running(
            tmp_path / "run", "run", *words, "--store-latency-ms", "1", "--redis", url
        )
        try:
            running.wait_for(lambda: "locust" in running.pids)  # which is started last
            assert {"node-1", "node-2", "producer", "delay"} <= running.pids.keys()
            seen = command_lines(running)
            assert set(running.pids.values()) | {running.pid} <= seen.keys()
            assert not [line for line in seen.values() if PASSWORD.encode() in line]
            ended = running.end()
        finally:
            running.kill()
    assert (ended.code, PASSWORD in ended.stdout + ended.stderr) == (0, False), ended
    assert files_with(PASSWORD, tmp_path / "run") == []
    assert "redis://***@" in (tmp_path / "run" / "manifest.json").read_text()


def test_a_wrong_password_is_not_repeated(tmp_path: Path) -> None:
    with server(tmp_path / "store", "--requirepass", "another") as store:
        url = f"redis://:{PASSWORD}@{HOST}:{store.port}/0"
        running = Running(tmp_path / "run", "run", *SMALL, "--redis", url)
        ended = running.end()
    assert ended.code == 1
    assert ended.stderr.startswith(
        f"chunk7 run: error: refused by the store at {HOST}:{store.port}: "
    )
    assert PASSWORD not in ended.stdout + ended.stderr
