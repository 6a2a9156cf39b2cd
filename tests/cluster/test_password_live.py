"""A store's password is in nothing that a run shows or leaves behind."""

import re
import sys
from pathlib import Path

import psutil
import pytest
from command import SMALL, Running
from request_kit import HANDSHAKE, raw_status
from store_kit import HOST, server

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PASSWORD = "s3cret-w0rd"
ENDED_BY_ITSELF = (0, 98)
"""Valid or not: a machine that is busy hides nothing."""
JOIN = f"GET /ws/s HTTP/1.1\nHost: 127.0.0.1:PORT\n{HANDSHAKE}"


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


def test_a_password_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    """Children used to be given the URL, password included, on their command lines."""
    words = ("--connect", "buffered_merge", "--write", "atomic_lua", *SMALL, "--duration", "2")
    with server(tmp_path / "store", "--requirepass", PASSWORD) as store:
        url = f"redis://:{PASSWORD}@{HOST}:{store.port}/0"
        running = Running(
            tmp_path / "run", "run", *words, "--store-latency-ms", "1", "--redis", url
        )
        try:
            running.wait_for(lambda: "nginx" in running.pids)  # which is started last
            assert {"node-1", "node-2", "producer", "delay"} <= running.pids.keys()
            seen = command_lines(running)
            assert set(running.pids.values()) | {running.pid} <= seen.keys()
            assert not [line for line in seen.values() if PASSWORD.encode() in line]
            ended = running.end()
        finally:
            running.kill()
    assert ended.code in ENDED_BY_ITSELF, ended
    assert PASSWORD not in ended.stdout + ended.stderr
    assert files_with(PASSWORD, tmp_path / "run") == []
    assert "redis://***@" in (tmp_path / "run" / "manifest.json").read_text()


def test_users_join_with_tokens_and_the_secret_is_nowhere_to_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "token-secret"
    secret.write_text(PASSWORD * 2)
    secret.chmod(0o600)
    monkeypatch.setenv("CHUNK7_TOKEN_SECRET_FILE", str(secret))
    words = ("--connect", "buffered_merge", "--write", "atomic_lua", *SMALL, "--duration", "2")
    running = Running(tmp_path / "run", "run", *words)
    try:
        running.wait_for(lambda: "nginx" in listening(running))  # which is started last
        for sockets in listening(running).values():
            assert {host for host, _ in sockets} == {HOST}, "all of it on loopback"
        assert {"store", "nginx"} <= listening(running).keys()
        [(_, node_port)] = listening(running)["node-1"]
        assert raw_status(node_port, JOIN) == 401
        seen = command_lines(running)
        ended = running.end()
    finally:
        running.kill()
    shown = ended.stdout + ended.stderr + str(seen)
    assert ended.code in ENDED_BY_ITSELF, ended
    assert PASSWORD not in shown
    assert files_with(PASSWORD, tmp_path / "run") == []
    tokens = re.compile(rb"[0-9]{10}\.[A-Za-z0-9_-]{43}")
    assert [p for p in (tmp_path / "run").rglob("*") if p.is_file() and has(tokens, p)] == []


def listening(running: Running) -> dict[str, set[tuple[str, int]]]:
    """The addresses at which each part accepts connections, its children included."""
    found: dict[str, set[tuple[str, int]]] = {}
    for name, pid in running.pids.items():
        part = psutil.Process(pid)
        found[name] = {
            (at.laddr.ip, at.laddr.port)
            for process in (part, *part.children(recursive=True))
            for at in process.net_connections("tcp")
            if at.status == psutil.CONN_LISTEN
        }
    return {name: sockets for name, sockets in found.items() if sockets}


def has(pattern: "re.Pattern[bytes]", path: Path) -> bool:
    """Whether a file has such a text in it."""
    return pattern.search(path.read_bytes()) is not None


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
