"""Users whose cluster is hit: real nodes behind a real nginx, a real producer and store."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import pytest
from busy_kit import of_the_run
from visit_kit import CELL, Users

from chunk7.analysis.manifest import Manifest, Traits, write_manifest
from chunk7.analysis.study import Study, analyse
from chunk7.cluster.deployments.probes import free_ports
from chunk7.cluster.deployments.proxy import nginx_command
from chunk7.loadtest.producer_api import epoch_ns, place
from chunk7.loadtest.rounds import Round
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import Plan

pytestmark = pytest.mark.live
HOST = "127.0.0.1"
USERS = 12


@dataclass
class Nodes:
    """Two of them, by name, the proxy's URL, the producer's, and where all write."""

    processes: dict[str, "subprocess.Popen[bytes]"]
    host: str
    producer: str
    folder: Path

    def run(self, plan: Plan, kill_ms: float | None = None) -> Study:
        """A round of it; `node-1` is killed so long after the epoch. Everybody ends, is judged."""
        timetable = place(self.producer, plan)
        round_ = Round(1, timetable, epoch_ns(timetable))
        if kill_ms is not None:
            left_s = (round_.instant_ns(kill_ms) - now_ns()) / 1e9
            gevent.spawn_later(max(0.0, left_s), self.processes["node-1"].kill)
        Users(self.folder / "raw", self.host).visit(round_, plan.users)
        for process in self.processes.values():
            end(process)
        traits = {cell.connect: Traits() for cell in plan.cells}
        write_manifest(self.folder, Manifest(plan=plan, traits=traits))
        return analyse(self.folder)


def end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextlib.contextmanager
def running(command: list[str], log: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    deadline_s = time.monotonic() + 20
    try:
        while process.poll() is None and time.monotonic() < deadline_s:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.2):
                break
            time.sleep(0.02)  # poll, bounded by the deadline
        else:
            pytest.fail(f"{command}: {log.read_text()}")
        yield process
    finally:
        end(process)


@pytest.fixture
def nodes(store_url: str, tmp_path: Path) -> Iterator[Nodes]:
    names = ("node-1", "node-2", "producer")
    ports = dict(zip((*names, "proxy"), free_ports(4), strict=True))
    addresses = [(HOST, ports[name]) for name in names[:2]]
    with contextlib.ExitStack() as stack:
        processes = {}
        for name in names:
            module = f"chunk7.{'producer' if name == 'producer' else 'nodes'}"
            command = [
                sys.executable, "-m", module, "--listen", f"{HOST}:{ports[name]}",
                "--redis", store_url, "--records", str(tmp_path / "raw"), "--name", name,
            ]  # fmt: skip
            log = tmp_path / f"{name}.log"
            processes[name] = stack.enter_context(running(command, log, ports[name]))
        proxy = nginx_command(tmp_path / "nginx", (HOST, ports["proxy"]), addresses, 100)
        command = [os.fspath(part) for part in proxy]
        stack.enter_context(running(command, tmp_path / "nginx.log", ports["proxy"]))
        yield Nodes(
            processes,
            f"ws://{HOST}:{ports['proxy']}",
            f"http://{HOST}:{ports['producer']}",
            tmp_path,
        )


def a_plan(**fields: Any) -> Plan:
    return Plan(
        run="test", cells=[CELL], users=USERS, sessions=2, duration_ms=2_000, settle_ms=1_000,
        lead_ms=300, **fields,
    )  # fmt: skip


def test_users_of_a_killed_node_come_back_at_another_and_lack_nothing(nodes: Nodes) -> None:
    study = nodes.run(a_plan(), kill_ms=1_800)
    [result] = study.summary.results
    assert (result.connections, result.chunks_lost) == (USERS, 0)
    assert result.chunks_expected == result.chunks_delivered + result.chunks_undetermined
    assert 0 < result.returns["users_cut"] == result.returns["returns"]
    assert result.returns["never_back"] == 0
    assert result.returns["chunks_away"] == result.returns["chunks_away_got"] > 0
    node_of = study.run.joins.set_index("connection_id")["node"]
    back = study.run.returns[study.run.returns["history_ns"].notna()]
    assert set(node_of[back["connection_id"]]) == {"node-2"}
    assert set(back["lost_code"]) == {1006}
    assert of_the_run(study.summary.invalid_because) == [
        "node-1 was cut short: its records have no end"
    ]


def test_a_storm_loses_nothing_and_is_no_reason_against_the_run(nodes: Nodes) -> None:
    study = nodes.run(a_plan(faults=("client_reconnect_storm@1500ms",)))
    [result] = study.summary.results
    assert (result.connections, result.chunks_lost) == (USERS, 0)
    assert USERS / 2 < result.returns["users_cut"] == result.returns["returns"]
    assert set(study.run.returns["lost_reason"]) == {"client_reconnect_storm"}
    assert of_the_run(study.summary.invalid_because) == []
    kinds = study.run.events["kind"].tolist()
    assert (kinds.count("fault_began"), kinds.count("fault_ended")) == (1, 1)


def test_who_leaves_is_owed_nothing_and_who_comes_next_has_the_node_subscribe(nodes: Nodes) -> None:
    study = nodes.run(a_plan(faults=("client_leave@1s:share=1",)))
    [result] = study.summary.results
    assert (result.connections, result.chunks_lost) == (USERS, 0)
    assert study.run.returns.empty
    assert of_the_run(study.summary.invalid_because) == []
    events = study.run.events.set_index("kind")["at_ns"]
    joins = study.run.joins.sort_values("subscribe_sent_ns")
    before = joins[joins["subscribe_sent_ns"] < events["fault_began"]]
    after = joins[joins["subscribe_sent_ns"] > events["fault_ended"]]
    channel = ["node", "session_id"]
    again = after.groupby(channel)["subscribe_shared"].first()
    known = again.index.intersection(before.set_index(channel).index)
    assert len(known)
    assert not again[known].any()
