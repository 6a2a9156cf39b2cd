"""`chunk7 run` and `up` with `--cluster compose`: the same jobs and run folders as local ones."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from stack import remains_of, wait_for

from chunk7.cluster.deployments.containers import Containers, connect
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import RecordError
from chunk7.wire.records import read_back

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

CHUNK7 = (sys.executable, "-m", "chunk7")
SMALL = ("--users", "24", "--sessions", "4", "--duration", "2.5", "--node-work-ms", "20")
CELLS = ("--connect", "history_then_subscribe,buffered_merge")


def started(folder: Path, *words: str, job: str = "run") -> "subprocess.Popen[str]":
    """`chunk7 run --cluster compose` under way."""
    return subprocess.Popen(
        [*CHUNK7, job, "--cluster", "compose", *words, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_event(folder: Path, process: "subprocess.Popen[str]", kind: str, fault: str) -> None:
    """Until the record of a fault is on disk."""
    deadline = time.monotonic() + 90
    while (kind, fault) not in recorded(events(folder)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing struck in time"
        time.sleep(0.05)  # poll, bounded by the deadline


def events(folder: Path) -> Path:
    """Where whoever strikes writes."""
    return folder / "raw" / "faults.events.arrows"


def recorded(path: Path) -> set[tuple[str, str]]:
    """The kind of each event so far, and the first word of what it says."""
    try:
        rows = read_back(path).table.to_pylist()
    except RecordError:  # not there yet, or its head is on the way
        return set()
    return {(row["kind"], row["detail"].split()[0]) for row in rows}


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of our own making
            return True
    except OSError:
        return False


def ask_locust(url: str, form: bytes) -> None:
    """Press a button of its web UI."""
    with urllib.request.urlopen(url, form, timeout=30) as answer:  # noqa: S310 - of our own making
        assert json.load(answer)["success"]


def test_the_bug_loses_and_the_fix_does_not(engine: None, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    shipped = Path(__file__).parents[2] / "nodes/connect/buffered_merge.py"
    own.write_text(shipped.read_text().replace("def buffered_merge", "def my_merge"))
    connects = ("--connect", f"history_then_subscribe,{own}:my_merge")
    for attempt in ("first", "second"):  # a busy machine makes a run invalid: once more, then
        folder = tmp_path / attempt
        words = (*SMALL, *connects, "--write", "atomic_lua", "--json")
        process = started(folder, *words)
        stdout, stderr = process.communicate(timeout=150)
        if process.returncode != 98:
            break
    assert process.returncode == 0, stderr
    summary = json.loads(stdout)
    assert summary["valid"]
    lost = {result["connect"]: result["chunks_lost"] for result in summary["results"]}
    assert lost["history_then_subscribe"] > 0
    assert lost["my_merge"] == 0
    assert all(r["connections"] == 24 for r in summary["results"])
    assert remains_of(f"chunk7-run-{process.pid}") == []

    files = {path.name for path in folder.iterdir()}
    assert files >= {"manifest.json", "summary.json", "connections.parquet", "raw", "logs"}
    assert (
        json.loads((folder / "manifest.json").read_text())["extra"]["cluster"]["kind"] == "compose"
    )
    logs = {path.stem for path in (folder / "logs").iterdir()}
    assert logs >= {"store-1", "node-1", "node-2", "node-3", "proxy-1", "producer-1", "load-1"}


def test_faults_strike_containers_and_an_end_that_none_of_them_planned_is_the_runs(
    engine: None, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    faults = (
        "store_latency@100ms:for=100ms,ms=20",
        "network_cut@300ms:for=200ms",
        "store_restart@700ms",
        "proxy_reload@1500ms",
        "client_leave@1600ms",
        "node_kill@1700ms:for=100ms",
        "store_failover@2s:down_ms=100,lag_ms=10",
    )
    pair = ("--connect", "redis_streams", "--write", "stream_append")
    words = (*SMALL, *pair, "--nodes", "2", "--duration", "12", "--seed", "7")
    process = started(folder, *words, *(word for one in faults for word in ("--fault", one)))
    for fault in ("node_kill", "store_failover"):
        wait_for_event(folder, process, "fault_ended", fault)
    containers = Containers(connect(), f"chunk7-run-{process.pid}")
    containers.kill(containers.list("node")[1])
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "chunk7 run: error: node-2 was killed by SIGKILL" in stderr
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["invalid_because"][0] == "node-2 was killed by SIGKILL"
    assert remains_of(f"chunk7-run-{process.pid}") == []

    assert [one["name"] for one in summary["faults"]] == [
        "store_latency",
        "network_cut",
        "store_restart",
        "proxy_reload",
        "client_leave",
        "node_kill",
        "store_failover",
    ]
    killed = summary["faults"][5]["target"]
    assert not [reason for reason in summary["invalid_because"] if f"{killed} " in reason]


def test_ctrl_c_takes_everything_down_and_judges_what_there_was(
    engine: None, tmp_path: Path
) -> None:
    frozen = ("--nodes", "1", "--fault", "node_pause@1s:for=1500ms")  # it heeds no stop of its own
    process = started(tmp_path / "run", *SMALL, *CELLS, "--write", "atomic_lua", *frozen)
    wait_for_event(tmp_path / "run", process, "fault_began", "node_pause")
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["invalid_because"][0] == "stopped by SIGINT"
    assert summary["results"][0]["connections"] > 0
    assert remains_of(f"chunk7-run-{process.pid}") == []


def test_what_is_started_in_the_web_ui_of_a_kept_cluster_is_struck(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNK7_HEALTH_INTERVAL", "1s")
    port, web, status = map(str, free_ports(3))
    ports = ("--port", port, "--web-port", web, "--status-port", status)
    words = (*SMALL, "--connect", "buffered_merge", "--write", "atomic_lua", "--nodes", "1")
    faults = ("--fault", "node_kill@2s", "--fault", "store_latency@6s:for=13s,ms=5")
    process = started(tmp_path / "up", *words, *ports, "--duration", "20", *faults, job="up")
    wait_for(lambda: answers(f"http://127.0.0.1:{status}/healthz"), within_s=120)
    ask_locust(f"http://127.0.0.1:{web}/swarm", b"user_count=24&spawn_rate=100")
    wait_for_event(tmp_path / "up", process, "fault_ended", "node_kill")
    raw = tmp_path / "up" / "raw"  # a node that is there again has served nobody yet
    wait_for(lambda: any(raw.glob("node-*-2.joins.arrows")), within_s=60)
    wait_for_event(tmp_path / "up", process, "fault_began", "store_latency")
    ask_locust(f"http://127.0.0.1:{web}/stop", b"now=yes")
    wait_for_event(tmp_path / "up", process, "fault_ended", "store_latency")
    [began, ended] = read_back(events(tmp_path / "up")).table.to_pylist()[-2:]
    assert ended["at_ns"] - began["at_ns"] < 13e9, "undone as the test was stopped, not later"
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "everything is up" in stdout
    [node] = raw.glob("node-*-2.joins.arrows")
    killed = node.name.removesuffix("-2.joins.arrows")
    assert ("fault_planned_death", killed) in recorded(events(tmp_path / "up"))
    assert Containers(connect(), "chunk7").list() == ()  # a volume of notes stays


def test_a_missing_image_is_named_with_what_makes_it(engine: None) -> None:
    done = subprocess.run(
        [*CHUNK7, "run", "--cluster", "compose"],
        env={**os.environ, "CHUNK7_TAG": "nobody-made-it"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no image chunk7:nobody-made-it: make it with `docker compose build`" in line
