"""`chunk7 run --target`: the same verdicts on somebody else's back end, whoever answers there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from call_kit import Call
from command import CHUNK7, Running, chunk7, valid_run

from chunk7.cluster.deployments.probes import free_ports
from tests.store_kit import HOST, server

APP = Path(__file__).with_name("foreign_app.py")
LOAD = ("--users", "30", "--sessions", "6", "--duration", "3")

RELAYED: dict[str, Any] = {
    "frames": [
        {"is": "history", "when": {"type": "history"}, "each": "messages", "text": "t"},
        {"is": "chunk", "when": {"type": "token"}, "text": "t"},
    ],
    "produce": {
        "write": ["save_then_publish"],
        "history": "h:{session_id}",
        "channel": "c:{session_id}",
        "payload": {"n": "{seq}", "t": "{text}"},
    },
}
ASKED: dict[str, Any] = {
    "frames": [{"is": "end", "when": {"@data": "[DONE]"}}, {"is": "chunk", "text": "t"}]
}


@contextmanager
def app(folder: Path, mode: str, content: dict[str, Any]) -> Iterator[tuple[Path, int]]:
    """The back end in this mode, its store, and an adapter of it: (adapter, process id)."""
    [port] = free_ports(1)
    if "produce" in content:
        address = {"url": f"ws://{HOST}:{port}/ws/{{session_id}}"}
    else:
        ask = {"url": f"http://{HOST}:{port}/ask/{{session_id}}"} | content.get("ask", {})
        if "log" in ask:
            ask["log"] = ask["log"] | {"file": str(folder / "app.log")}
        asked = {"ask": ask}
        address = {"url": f"http://{HOST}:{port}/sse/{{session_id}}"}
        content = content | asked
    (folder / "store").mkdir()
    with server(folder / "store") as store:
        url = f"redis://{HOST}:{store.port}/0"
        adapter = folder / "adapter.yaml"
        stored = {"store": url} if "produce" in content else {}
        adapter.write_text(yaml.safe_dump({"name": "theirs", **address, **content, **stored}))
        words = [sys.executable, str(APP), str(port), mode, url, str(folder / "app.log")]
        process = subprocess.Popen(words)
        try:
            _wait_for(port)
            yield adapter, process.pid
        finally:
            process.kill()
            process.wait(10)


WIDE = pytest.mark.wide
"""The gallery's members have such back ends, too."""
LOGGED = ASKED | {
    "ask": {"reference": "log", "log": {"session": "room", "text": "t", "index": "i", "time": "at"}}
}


def with_numbers(content: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    """The adapter whose frames say which chunk they bring."""
    frames = [rule | {name: path} if "text" in rule else rule for rule in content["frames"]]
    return content | {"frames": frames}


NUMBERED = with_numbers(RELAYED, "seq", "n")
INDEXED = with_numbers(ASKED, "index", "i")


@pytest.mark.live
@pytest.mark.judged
@pytest.mark.parametrize(
    ("content", "by"),
    [
        pytest.param(NUMBERED, "seq", id="websocket by numbers", marks=WIDE),
        pytest.param(RELAYED, "text", id="websocket by text"),
        pytest.param(INDEXED, "index", id="events that are asked for", marks=WIDE),
        pytest.param(LOGGED, "text", id="a log"),
    ],
)
def test_a_back_end_that_reads_and_then_subscribes_loses(
    tmp_path: Path, content: dict[str, Any], by: str
) -> None:
    reports = content is LOGGED  # one for all: drawing takes as long as streaming
    words = () if reports else ("--no-report",)
    with app(tmp_path, "wrong", content) as (adapter, _):
        ended = valid_run(tmp_path, "--target", adapter, *LOAD, *words)
    assert ended.code == 0, ended.stderr
    assert ended.document["invalid_because"] == []
    [result] = ended.document["results"]
    assert result["lossy_connections"] > 5
    assert result["chunks_unexpected"] == 0
    assert result["chunks_lost_predicted"] is None, "nobody knows its instants"
    assert result["window_ms"]["p50"] is None
    folder = Path(ended.document["run_dir"])
    assert set(_alignments(folder)["by"]) == {by}
    assert (folder / "report.html").exists() == reports


@pytest.mark.live
@pytest.mark.judged
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(RELAYED, id="websocket", marks=WIDE),
        pytest.param(ASKED, id="server-sent events"),
    ],
)
def test_a_back_end_that_subscribes_first_keeps_all(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    with app(tmp_path, "right", content) as (adapter, _):
        ended = valid_run(tmp_path, "--target", adapter, *LOAD, "--no-report")
    assert ended.code == 0, ended.stderr
    [result] = ended.document["results"]
    assert ended.document["valid"]
    assert (result["chunks_lost"], result["chunks_duplicate"]) == (0, 0)
    assert result["chunks_delivered"] > 500


@pytest.mark.live
def test_what_a_target_that_dies_did_not_send_is_not_lost(tmp_path: Path) -> None:
    """It was killed in the middle: all that its clients lack from then on is nobody's verdict."""
    with app(tmp_path, "right", RELAYED) as (adapter, pid):
        running = Running(tmp_path / "run", "run", "--target", str(adapter), *LOAD, "--json")
        try:
            running.wait_for_receipts("sightings")
            os.kill(pid, signal.SIGKILL)
            ended = running.end()
        finally:
            running.kill()
    assert ended.code == 98
    [result] = ended.document["results"]
    assert result["chunks_lost"] == 0
    broken = [line for line in ended.document["invalid_because"] if "broken off" in line]
    assert len(broken) == 1, ended.document["invalid_because"]
    assert broken[0].endswith("1006 (without a word: it died, or was killed)")


@pytest.mark.live
def test_an_adapter_that_reads_nothing_ends_the_run_in_one_line(tmp_path: Path) -> None:
    wrong = with_numbers(ASKED, "text", "words")
    with app(tmp_path, "right", wrong) as (adapter, _):
        ended = chunk7("run", "--target", adapter, *LOAD, "--json", "--out", tmp_path / "run")
    assert ended.code == 2
    line = ended.stderr.splitlines()[-1]
    assert line.startswith(
        f"chunk7 run: error: {adapter}: frames.1 (chunk): text: nothing at words"
    )
    assert "there is i, t, last" in line
    assert ended.document["invalid_because"][0] in line


@pytest.mark.live
def test_a_target_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with app(tmp_path, "right", RELAYED) as (adapter, pid):
        os.kill(pid, signal.SIGKILL)
        ended = chunk7("run", "--target", adapter, *LOAD, "--json", "--no-report")
    assert ended.code == 1
    line = ended.stderr.splitlines()[-1]
    assert "error: not one connection was made (30 tried): 127.0.0.1" in line
    assert "Connection refused" in line


@pytest.mark.live
def test_a_check_lets_the_producer_write_what_it_reads(tmp_path: Path) -> None:
    """Once it joined a session for which nobody wrote, and a right adapter read nothing."""
    numbered = with_numbers(RELAYED, "seq", "n")
    with app(tmp_path, "right", numbered) as (adapter, _):
        ended = chunk7("target", "check", adapter, "--seconds", "4", "--json")
    assert ended.code == 0, ended.stderr
    seen = [one["seq"] for frame in ended.document["frames"] for one in frame["sightings"]]
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > 5


@pytest.mark.live
def test_a_check_without_its_store_says_what_the_producer_says(tmp_path: Path) -> None:
    with app(tmp_path, "right", RELAYED) as (adapter, _):
        [nowhere] = free_ports(1)
        words = ("--seconds", "4", "--redis", f"redis://{HOST}:{nowhere}/0")
        ended = chunk7("target", "check", adapter, *words)
    assert ended.code == 1
    assert f"no store at {HOST}:{nowhere}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def started(folder: Path, content: dict[str, Any], words: str) -> Path:
    """An adapter whose target chunk7 starts by these words of a shell; its URLs lead nowhere."""
    address = {"url": f"ws://{HOST}:1/ws/{{session_id}}"}
    if "produce" not in content:
        ask = {"url": f"http://{HOST}:1/ask/{{session_id}}"}
        address = {"url": f"http://{HOST}:1/sse/{{session_id}}", "ask": ask}
    start = {"start": {"command": ["sh", "-c", words]}}
    adapter = folder / "adapter.yaml"
    adapter.write_text(yaml.safe_dump({"name": "theirs", **content, **address, **start}))
    return adapter


SERVES = f'exec "{sys.executable}" "{APP}" $PORT right $REDIS_URL app.log'
FAILS = "echo my own last line; exit 5"
SHORT = ("--users", "6", "--sessions", "2", "--duration", "1", "--no-report")


@pytest.mark.live
@pytest.mark.judged
@pytest.mark.parametrize(
    "content",
    [pytest.param(RELAYED, id="relayed"), pytest.param(ASKED, id="asked", marks=WIDE)],
)
def test_a_run_starts_the_target_and_stops_it(tmp_path: Path, content: dict[str, Any]) -> None:
    adapter = started(tmp_path, content, f"echo $$ > pid; {SERVES}")
    with server(tmp_path / "store") as store:
        redis = ("--redis", f"redis://{HOST}:{store.port}/0")
        ended = valid_run(tmp_path, "--target", adapter, *SHORT, *redis)
    assert ended.code == 0, ended.stderr
    assert "starting theirs: sh -c " in ended.stderr
    [result] = ended.document["results"]
    assert (result["connections"], result["chunks_lost"]) == (6, 0)
    assert result["chunks_delivered"] > 20
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.live
def test_a_target_that_cannot_start_ends_run_and_check_with_its_last_line(
    tmp_path: Path, call: Call
) -> None:
    adapter = started(tmp_path, ASKED, FAILS)
    for ended in (
        call("run", "--target", adapter, *SHORT, "--json", "--out", tmp_path / "run"),
        call("target", "check", adapter),
    ):
        assert ended.returncode == 1
        assert "target ended by itself with exit code 5" in ended.stderr
        assert ended.stderr.splitlines()[-1] == "  my own last line"


@pytest.mark.live
def test_a_check_starts_the_target_too(tmp_path: Path) -> None:
    adapter = started(tmp_path, RELAYED, SERVES)
    with server(tmp_path / "store") as store:
        redis = f"redis://{HOST}:{store.port}/0"
        ended = chunk7("target", "check", adapter, "--seconds", "4", "--json", "--redis", redis)
    assert ended.code == 0, ended.stderr
    assert ended.stderr.startswith("starting theirs: sh -c ")
    assert ended.document["error"] is None
    assert len(ended.document["frames"]) > 2


@pytest.mark.live
def test_an_interrupted_check_stops_the_target(tmp_path: Path) -> None:
    """Its join is read in a thread, which no signal reaches; it ends because the target does."""
    adapter = started(tmp_path, ASKED, SERVES.replace("$REDIS_URL", "redis://127.0.0.1:1"))
    words = [*CHUNK7, "target", "check", str(adapter), "--seconds", "600"]
    log = tmp_path / "app.log"
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while not (log.exists() and log.stat().st_size):  # the answer has begun
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)  # poll, bounded by the deadline
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--connect", "all"), "--connect: a target has its own connect ordering, whatever it is"),
        (("--cluster", "compose"), "--cluster compose: with --target no cluster is started"),
        (
            ("--node-work-ms", "5"),
            "--node-work-ms: it slows chunk7's own cluster, not a target",
        ),
        (("--write", "nonsense"), "--write: unknown ordering 'nonsense': one of publish_then_save"),
        (
            (),
            "--redis URL, or store: in {file}, is needed: where the producer writes",
        ),
    ],
)
def test_what_does_not_go_with_a_target_is_one_line(
    call: Call, tmp_path: Path, words: tuple[str, ...], line: str
) -> None:
    adapter = tmp_path / "adapter.yaml"
    adapter.write_text(yaml.safe_dump({"name": "x", "url": "ws://localhost:1/", **RELAYED}))
    ended = call("run", "--target", adapter, *words)
    assert ended.returncode == 2
    assert line.format(file=adapter) in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_target_for_which_nobody_writes_is_refused(call: Call, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.yaml"
    content = {"frames": RELAYED["frames"]}
    adapter.write_text(yaml.safe_dump({"name": "x", "url": "ws://localhost:1/", **content}))
    ended = call("run", "--target", adapter)
    assert ended.returncode == 2
    assert "needs produce: or ask:, to say where the answers come from" in ended.stderr


def _alignments(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "alignments.parquet")


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # poll, bounded by the deadline
