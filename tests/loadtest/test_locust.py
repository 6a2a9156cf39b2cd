"""The load test as users run it: the `locust` command against a real node, producer and store."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import RecordError
from chunk7.wire.records import read_back
from chunk7.wire.tables import Via

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtest/locustfile.py")]


@dataclass
class Backend:
    """A node and a producer, and where they write."""

    host: str
    producer: str
    records: Path
    node: "subprocess.Popen[bytes] | None" = None
    source: "subprocess.Popen[bytes] | None" = None

    def end(self) -> None:
        """Stop both, so that their records are complete."""
        end(self.source)
        end(self.node)

    def options(self, **changes: object) -> list[str]:
        """A short headless load test of one cell, with options changed or added."""
        options = {
            "host": self.host,
            "producer": self.producer,
            "records": self.records,
            "users": 8,
            "spawn-rate": 8,
            "sessions": 3,
            "chunk-rate": 50,
            "duration": 2,
            "settle-ms": 800,
            "run-name": "test",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return ["--headless", "--once", "--only-summary", *flags]


def start(
    arguments: list[str], log: Path, pattern: str
) -> tuple["subprocess.Popen[bytes]", re.Match[str]]:
    """Start a process and wait until it has written what `pattern` finds."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdout=output, stderr=output, cwd=ROOT
        )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(pattern, log.read_text()):
            return process, found
        time.sleep(0.02)  # poll, bounded by the deadline
    process.kill()
    process.wait(10)
    pytest.fail(f"{arguments[0]} did not start: {log.read_text()}")


@contextmanager
def running_backend(
    store_url: str, folder: Path, ports: tuple[int, int] = (0, 0)
) -> Iterator[Backend]:
    """A node and a producer, stopped at the end; 0 is any port."""
    records = folder / "raw"
    common = ["--redis", store_url, "--records", str(records)]
    at_node, at_producer = (["--listen", f"127.0.0.1:{port}"] for port in ports)
    listening = r"listening on (\S+:\d+)"
    with ExitStack() as stack:
        node, at = start(
            ["chunk7.nodes", *common, *at_node, "--name", "node-1"], folder / "node.log", listening
        )
        stack.callback(end, node)
        producer, producer_at = start(
            ["chunk7.producer", *common, *at_producer, "--name", "producer"],
            folder / "producer.log",
            listening,
        )
        stack.callback(end, producer)
        yield Backend(f"ws://{at[1]}", f"http://{producer_at[1]}", records, node, producer)


@pytest.fixture
def backend(store_url: str, tmp_path: Path) -> Iterator[Backend]:
    """One that a test may stop or damage."""
    with running_backend(store_url, tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def lasting(store_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One for all tests that leave it as it is."""
    with running_backend(store_process, tmp_path_factory.mktemp("lasting")) as started:
        yield started


@pytest.fixture
def shared(lasting: Backend, store_url: str, tmp_path: Path) -> Backend:
    """The lasting one, its store emptied; what Locust writes goes to a folder of the test's own."""
    return replace(lasting, records=tmp_path / "raw")


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def locust(options: list[str], timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*LOCUST, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def rows(folder: Path, table: str, process: str = "locust*") -> list[dict[str, Any]]:
    """A table's rows out of all matching processes' files, each of which must be complete."""
    found = []
    for path in sorted(folder.glob(f"{process}.{table}.arrows")):
        read = read_back(path)
        assert read.complete, path
        found += read.table.to_pylist()
    return found


@dataclass(frozen=True)
class Whole:
    """A load test that went to its end, and the folder of everybody's records."""

    outcome: "subprocess.CompletedProcess[str]"
    records: Path

    def opened(self, connect: str | None = None) -> list[dict[str, Any]]:
        """Connections that were opened, or those of one ordering."""
        rows_ = rows(self.records, "opened")
        return [row for row in rows_ if connect in (None, row["connect"])]


CELLS = ("buffered_merge", "history_then_subscribe", "sequence_gap_fill")
USERS = 12


@pytest.fixture(scope="module")
def whole(store_process: str, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Three orderings, one after the other, with atomic writes and 60 ms of work in a join."""
    with running_backend(store_process, tmp_path_factory.mktemp("whole")) as backend:
        options = backend.options(
            cells="; ".join(f"{connect} x atomic_lua" for connect in CELLS),
            node_work_ms=60, users=USERS, spawn_rate=USERS, run_name="whole",
        )  # fmt: skip
        outcome = locust(options)
    return Whole(outcome, backend.records)


def test_a_whole_test_is_exit_code_0_and_says_what_is_missing(whole: Whole) -> None:
    """Losses are results."""
    assert whole.outcome.returncode == 0, whole.outcome.stderr
    said = whole.outcome.stdout + whole.outcome.stderr
    assert "chunks missing" in said
    # A visit lasts as long as was planned: among response times it raised their p95 to 5 s.
    assert re.search(r"WS +complete +[0-9]+ .*\|  +0 +0 +0 +0 \|", said), said


def test_every_process_has_recorded_the_same_connections(whole: Whole) -> None:
    opened, closed = whole.opened(), rows(whole.records, "closed")
    for cell in range(len(CELLS)):
        assert sorted(row["user"] for row in opened if row["cell"] == cell) == list(range(USERS))
    ids = {row["connection_id"] for row in opened}
    assert len(ids) == len(CELLS) * USERS
    assert {row["connection_id"] for row in closed} == ids
    assert {row["connection_id"] for row in rows(whole.records, "joins", "node-1")} == ids
    for row in closed:
        assert row["connected_ns"] < row["history_ns"] <= row["welcome_ns"] < row["closed_ns"]
        assert (row["by_server"], row["error"], row["close_code"]) == (False, None, None)
    for row in opened:
        assert row["join_earliest_ns"] <= row["intended_ns"] <= row["join_latest_ns"]
        assert row["intended_ns"] <= row["opening_ns"] < row["leave_ns"]
    health = rows(whole.records, "health", "locust")
    assert 0 < max(row["open_count"] for row in health) <= USERS
    assert all(row["loop_lag_ms"] >= 0 and row["rss_bytes"] > 0 for row in health)


def test_what_is_received_is_what_was_published(whole: Whole) -> None:
    published: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in rows(whole.records, "published", "producer"):
        published[row["session_id"]].append((row["seq"], row["digest"]))
    assert len(published) == len(CELLS) * 3
    received: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows(whole.records, "receipts"):
        received[row["connection_id"]].append((row["seq"], row["digest"]))
    for row in whole.opened("buffered_merge"):  # x atomic_lua: everything once and in order
        assert received[row["connection_id"]] == sorted(published[row["session_id"]])


def test_holes_are_filled_by_fetching_and_the_bug_is_seen(whole: Whole) -> None:
    connect_of = {row["connection_id"]: row["connect"] for row in whole.opened()}
    via: dict[str, Counter[int]] = defaultdict(Counter)
    seqs: dict[int, set[int]] = defaultdict(set)
    for row in rows(whole.records, "receipts"):
        via[connect_of[row["connection_id"]]][row["via"]] += 1
        seqs[row["connection_id"]].add(row["seq"])
    assert via["history_then_subscribe"][Via.FETCH] == 0
    assert via["sequence_gap_fill"][Via.FETCH] > 0
    holes = Counter(
        connect_of[connection]
        for connection, got in seqs.items()
        if got != set(range(1, max(got) + 1))
    )
    assert holes["history_then_subscribe"] > 0
    assert holes["sequence_gap_fill"] == 0
    fetches = {row["connection_id"]: row["fetches"] for row in rows(whole.records, "closed")}
    assert sum(fetches.values()) > 0
    assert {connect_of[connection] for connection, n in fetches.items() if n} == {
        "sequence_gap_fill"
    }


def test_cells_see_the_same_joins(whole: Whole) -> None:
    opened = whole.opened()
    joins: list[dict[int, tuple[int, str]]] = []
    for cell in range(len(CELLS)):
        of_cell = [row for row in opened if row["cell"] == cell]
        start_ns = min(row["join_earliest_ns"] for row in of_cell)
        joins.append(
            {
                row["user"]: (
                    round((row["intended_ns"] - start_ns) / 1e6),
                    row["session_id"].rsplit("-", 1)[-1],
                )
                for row in of_cell
            }
        )
    assert len(joins[0]) == USERS
    assert joins == [joins[0]] * len(CELLS)


def test_one_that_is_held_begins_when_its_stdin_ends(store_url: str, tmp_path: Path) -> None:
    """chunk7 starts it beside what it loads, and nobody is there to be asked for anything yet."""
    [at_node, at_producer] = free_ports(2)
    nowhere = Backend(
        f"ws://127.0.0.1:{at_node}", f"http://127.0.0.1:{at_producer}", tmp_path / "raw"
    )
    held = subprocess.Popen(
        [*LOCUST, *nowhere.options(), "--held"], cwd=ROOT, stdin=subprocess.PIPE
    )
    try:
        with running_backend(store_url, tmp_path, (at_node, at_producer)):
            held.communicate(timeout=60)
    finally:
        end(held)
    assert held.returncode == 0
    assert len(rows(tmp_path / "raw", "opened")) == 8


def test_two_workers_share_the_users_of_one_itinerary(backend: Backend) -> None:
    """Workers tell the master every 3 s what they did: the test must not be over sooner."""
    [port] = free_ports(1)
    options = backend.options(users=9, spawn_rate=9, processes=2, duration=4)
    outcome = locust([*options, f"--master-bind-port={port}", f"--master-port={port}"])
    assert outcome.returncode == 0, outcome.stderr
    assert {path.name.split(".")[0] for path in backend.records.glob("locust*")} == {
        "locust-0",
        "locust-1",
    }
    opened = rows(backend.records, "opened")
    assert sorted(row["user"] for row in opened) == list(range(9))
    assert len({row["connection_id"] for row in opened}) == 9
    assert max(row["connection_id"] for row in opened) < 2**63
    assert len(rows(backend.records, "closed")) == 9
    assert rows(backend.records, "receipts")


def test_users_leave_in_time_although_the_node_has_gone_silent(backend: Backend) -> None:
    process = subprocess.Popen(
        [*LOCUST, *backend.options()], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: (backend.records / "locust.receipts.arrows").exists())
        backend.node.send_signal(signal.SIGSTOP)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, output.decode()
    opened = {row["connection_id"]: row for row in rows(backend.records, "opened")}
    closed = {row["connection_id"]: row for row in rows(backend.records, "closed")}
    assert opened.keys() == closed.keys()
    for connection, row in closed.items():
        assert row["closed_ns"] - opened[connection]["leave_ns"] < 2e9
        assert row["by_server"] is False


def wait_until(condition: Any, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("waited in vain")
        time.sleep(0.02)  # poll, bounded by the deadline


def test_sigterm_ends_it_with_everything_written_down(backend: Backend) -> None:
    process = subprocess.Popen(
        [*LOCUST, *backend.options(duration=30)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until(lambda: (backend.records / "locust.receipts.arrows").exists())
        process.terminate()
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, output.decode()
    opened, closed = rows(backend.records, "opened"), rows(backend.records, "closed")
    assert opened
    assert {row["connection_id"] for row in opened} == {row["connection_id"] for row in closed}
    assert b"Traceback" not in output


def test_a_killed_node_ends_its_connections_and_not_the_test(backend: Backend) -> None:
    process = subprocess.Popen(
        [*LOCUST, *backend.options()], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until(lambda: (backend.records / "locust.receipts.arrows").exists())
        backend.node.kill()
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, output.decode()
    ended = [row for row in rows(backend.records, "closed") if row["by_server"]]
    assert ended
    assert {row["close_code"] for row in ended} == {1006}


def test_nobody_to_connect_to_is_exit_code_1(shared: Backend) -> None:
    outcome = locust(shared.options(host=f"ws://127.0.0.1:{free_ports(1)[0]}", duration=0.5))
    assert outcome.returncode == 1, outcome.stderr
    assert "Connection refused" in outcome.stdout + outcome.stderr
    assert len(rows(shared.records, "closed")) == 8


def test_a_server_of_another_system_is_exit_code_2_and_one_line(shared: Backend) -> None:
    """All it sends is unreadable: the test ran to its end, and called the cell valid."""
    outcome = locust(shared.options(host=shared.producer.replace("http", "ws")))
    assert outcome.returncode == 2, outcome.stderr
    [line] = [told for told in outcome.stderr.splitlines() if "chunk7: --host" in told]
    assert "is no node of chunk7 (it answers HTTP 404" in line
    assert "chunk7 run --target FILE.yaml, docs/your-own-back-end.md" in line
    assert not shared.records.exists()


def test_no_producer_is_exit_code_1_and_one_line(shared: Backend) -> None:
    outcome = locust(shared.options(producer=f"http://127.0.0.1:{free_ports(1)[0]}"))
    assert outcome.returncode == 1, outcome.stderr
    line = outcome.stderr.splitlines()[-1]
    assert line.startswith("chunk7: --producer ")
    assert "does not answer" in line
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"write": "wishful"}, "unknown write ordering 'wishful'"),
        ({"connect": "wishful"}, "the node refuses the connection: HTTP 400"),
    ],
)
def test_an_ordering_that_the_others_do_not_know_is_exit_code_2(
    shared: Backend, changes: dict[str, str], line: str
) -> None:
    outcome = locust(shared.options(**changes))
    assert outcome.returncode == 2, outcome.stderr
    assert line in outcome.stderr.splitlines()[-1]  # after Locust's own, where it is looked for
    assert "Traceback" not in outcome.stderr


@pytest.fixture
def web(shared: Backend, tmp_path: Path) -> Iterator[str]:
    """The URL of Locust's web UI, with the shared's addresses as defaults."""
    options = [option for option in shared.options() if option not in ("--headless", "--once")]
    [port] = free_ports(1)
    arguments = [*LOCUST[2:], *options, "--web-host", "127.0.0.1", "--web-port", str(port)]
    process, _ = start(arguments, tmp_path / "locust.log", r"Starting web interface")
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/stats/requests"))
        yield url
    finally:
        end(process)


def answers(url: str) -> bool:
    try:
        ask(url)
    except OSError:
        return False
    return True


def ask(url: str, **form: object) -> Any:
    body = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(url, body, timeout=10) as answer:  # noqa: S310 - ours
        return json.load(answer)


def test_the_web_ui_says_what_is_wrong_with_an_option_and_then_takes_a_good_one(
    web: str, shared: Backend
) -> None:
    swarm = {"user_count": 4, "spawn_rate": 4, "host": shared.host}
    refused = ask(f"{web}/swarm", **swarm, sessions="-3")
    assert refused["success"] is False
    assert refused["message"] == "--sessions -3: must be between 1 and 10000"
    assert ask(f"{web}/stats/requests")["state"] == "ready"
    assert ask(f"{web}/swarm", **swarm, sessions="2")["success"] is True
    wait_until(lambda: runs_joined(shared) >= {"test"})
    assert ask(f"{web}/exceptions")["exceptions"] == []


def test_what_only_the_producer_knows_to_be_wrong_ends_the_test_with_a_line_in_the_ui(
    web: str, shared: Backend
) -> None:
    swarm = {"user_count": 4, "spawn_rate": 4, "host": shared.host}
    line = "cells[0].write: unknown write ordering 'wishful'"
    for _ in range(2):  # the second start is told of as the first
        ask(f"{web}/swarm", **swarm, write="wishful")
        wait_until(lambda: ask(f"{web}/exceptions")["exceptions"])
        assert ask(f"{web}/exceptions")["exceptions"][0]["msg"] == line
        wait_until(lambda: ask(f"{web}/stats/requests")["state"] == "stopped")
        with urllib.request.urlopen(f"{web}/delivery/table") as answer:  # noqa: S310 - ours
            assert "unknown write ordering" in answer.read().decode()
    assert runs_joined(shared) == set()


def test_under_the_web_ui_rounds_repeat_until_stopped_and_can_be_started_again(
    web: str, shared: Backend
) -> None:
    swarm = {"user_count": 4, "spawn_rate": 4, "host": shared.host, "duration_s": "0.5"}
    ask(f"{web}/swarm", **swarm)
    wait_until(lambda: runs_joined(shared) >= {"test", "test-2"})
    ask(f"{web}/stop", now="yes")
    wait_until(lambda: ask(f"{web}/stats/requests")["state"] == "stopped")
    before = runs_joined(shared)
    ask(f"{web}/swarm", **swarm)
    wait_until(lambda: runs_joined(shared) > before)


def runs_joined(backend: Backend) -> set[str]:
    """Whose sessions have been opened, as far as it is written down."""
    try:
        opened = read_back(backend.records / "locust.opened.arrows").table
    except RecordError:  # not there yet, or only begun
        return set()
    return {re.sub(r"-\d+-\d+$", "", session) for session in opened["session_id"].to_pylist()}
