"""Input that cannot be used ends the command in one line and a code, with no traceback."""

import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from call_kit import Call
from command import PORTS, Running, asked, left_over

from chunk7.analysis.study import open_study
from chunk7.cluster.deployments.parts import spelled
from chunk7.cluster.deployments.probes import free_ports


@pytest.fixture
def broken_answers(tmp_path: Path) -> Path:
    """A folder of answers with a broken second line."""
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "one.jsonl").write_text('{"text": "a", "at_ms": 0}\n{"text": "b", "at_ms"\n')
    return folder


Refused = Callable[..., None]


@pytest.fixture
def refused(call: Call) -> Refused:
    """The command says exactly this kind of line, and only it."""

    def refused(code: int, line: str, *words: object) -> None:
        ended = call(*words)
        assert ended.stderr.splitlines() == [ended.stderr.strip()], ended.stderr
        assert line in ended.stderr
        assert (ended.returncode, ended.stdout) == (code, "")

    return refused


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--connect", "nosuch"], "error: --connect: unknown ordering 'nosuch': one of "),
        (["--chunk-rate", "-1"], "error: --chunk-rate -1: must be between 0.1 and 10000"),
        (["--answers", "nosuch"], "error: --answers nosuch: want a folder"),
        (["--redis", "http://localhost"], "error: --redis: want redis://HOST:PORT/DB, rediss://"),
        (["--threshold", "loss_rate"], "error: threshold 'loss_rate': write METRIC"),
        (
            ["--redis", "rediss://localhost", "--store-latency-ms", "1"],
            "error: --store-latency-ms: cannot delay a store that is not at redis://",
        ),
    ],
)
def test_bad_options_end_in_2(refused: Refused, words: list[str], line: str) -> None:
    refused(2, line, "run", *words)


def test_a_broken_line_of_an_answer_is_named_with_its_file(
    refused: Refused, broken_answers: Path
) -> None:
    refused(2, f"{broken_answers}/one.jsonl:2: ", "run", "--answers", broken_answers)


def test_a_run_folder_is_never_written_over(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    refused(2, f"error: --out {tmp_path}: exists and is not empty", "run", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_store_that_does_not_answer_ends_in_1(refused: Refused) -> None:
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"redis://127.0.0.1:{port}"
        refused(1, f"error: no store at 127.0.0.1:{port}: ", "run", "--redis", url)


@pytest.mark.parametrize("option", PORTS)
def test_a_port_in_use_is_named(refused: Refused, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True)) | {option: port}
        refused(2, f"error: {option} {port}: Address already in use", "up", *spelled(ports))


@pytest.mark.live
def test_up_keeps_a_cluster_running_and_judges_it_until_it_is_stopped(tmp_path: Path) -> None:
    """It used to name its run folder nowhere, to say nothing at its end, and to end with 0."""
    ports = free_ports(len(PORTS))
    options = spelled(dict(zip(PORTS, ports, strict=True)))
    words = ("--nodes", 2, "--users", 12, "--sessions", 3, "--chunk-rate", 20)
    slow = ("--node-work-ms", 80, "--connect", "history_then_subscribe", "--write", "atomic_lua")
    # Two visits a user, so that the loss of a first one is judged long before the round is over.
    up = Running(tmp_path / "run", "up", *words, *slow, "--duration", 12, *options)
    try:
        told = [up.line() for _ in range(5)]
        assert told[0] == f"WebSocket  ws://127.0.0.1:{ports[0]}/ws/SESSION?ordering=NAME\n"
        assert told[1] == f"demo       http://127.0.0.1:{ports[0]}/demo\n"
        assert told[3] == f"records    {tmp_path / 'run'}\n"
        assert told[4] == f"web UI     http://127.0.0.1:{ports[1]}  (Ctrl-C stops it)\n"
        assert asked(ports[2], "/delivery")["state"] == "idle"
        asked(ports[1], "/swarm", b"user_count=12&spawn_rate=12")
        up.wait_for(lambda: any_loss(asked(ports[2], "/delivery")), within_s=20)
        parts = asked(ports[2], "/healthz")["parts"]
        pids = up.pids
        os.kill(up.pid, signal.SIGINT)
        ended = up.end()
    finally:
        up.kill()
    assert ended.code == 130
    [stopped] = [path for path in (tmp_path / "run" / "rounds").iterdir() if path.is_dir()]
    assert ended.stderr.splitlines() == [
        f"records go into {tmp_path / 'run'}",
        "starting a cluster of 2 nodes",
        f"recorded 1 round in {stopped.parent}; to judge the newest: chunk7 report {stopped}",
        "chunk7 up: stopped by SIGINT",
    ]
    assert parts.keys() == {"store", "node-1", "node-2", "proxy", "producer", "locust"}
    assert left_over(pids) == []
    [result] = open_study(stopped).summary.results
    assert result.chunks_lost > 0
    assert result.chunks_lost == result.causes["handover_gap"]
    line = f"history_then_subscribe x atomic_lua: {result.lossy_connections} of "
    assert line in (tmp_path / "run" / "logs" / "cluster.log").read_text()


def any_loss(document: Any) -> bool:
    return any(result["chunks_lost"] for result in document["results"])


def test_what_a_compose_cluster_cannot_do_is_said_before_anything_starts(
    refused: Refused,
) -> None:
    compose = ("run", "--cluster", "compose")
    line = "error: --redis: not with --cluster compose, which has a store of its own"
    refused(2, line, *compose, "--redis", "redis://127.0.0.1:6379")
    refused(2, "error: --cluster: invalid choice: 'nomad'", "run", "--cluster", "nomad")


def test_a_missing_docker_engine_or_command_is_named(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = ("run", "--cluster", "compose")
    if shutil.which("docker"):
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_ports(1)[0]}")
        refused(2, "--cluster compose: ", *compose)
    monkeypatch.setenv("PATH", "/nowhere")
    refused(2, "error: --cluster compose: no docker command: install Docker", *compose)
