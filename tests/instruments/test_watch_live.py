"""What watching the store tells of a run's joins is what the run itself found out about them.

Two ways to one truth: the run judges what clients received, by instants of its own processes;
`chunk7 watch` has nothing but the store's MONITOR. For every join whose read and subscription it
could pair, both must name the same lost chunks, and the window must be the run's, as far as the
run can know it.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chunk7.analysis.study import Study, open_study
from chunk7.wire.tables import Via

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

CHUNK7 = (sys.executable, "-m", "chunk7")
CONNECTS = (
    "history_then_subscribe", "subscribe_then_history", "buffered_merge", "sequence_gap_fill",
    "redis_streams",
)  # fmt: skip
WRITES = "publish_then_save,atomic_lua,stream_append"
"""Two commands, one, and a stream's."""
CAUSES = {"handover_gap", "save_lag", "unconfirmed_subscribe", "unknown"}
"""Of losses that the store's order explains; a slow client's or a dead node's it does not show."""
OFF_NS = 1_000_000
"""How far two windows may be apart beyond what the run's own instants leave open."""


@dataclass(frozen=True)
class Both:
    """A run and what was seen of it through MONITOR, live and from a saved log."""

    study: Study
    live: dict[str, Any]
    saved: dict[str, Any]


@dataclass(frozen=True)
class Match:
    """A join of the watch beside the same one of the run, by row of `Run.joins`."""

    watched: dict[str, Any]
    row: int
    connect: str
    connection_id: int


@pytest.fixture(scope="module")
def both(store_process: str, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A short run of all orderings on a store that is watched twice."""
    folder = tmp_path_factory.mktemp("watched")
    log, run = folder / "monitor.log", folder / "run"
    with monitor_saved(store_process, log), watching(store_process) as document:
        subprocess.run(
            [
                *(*CHUNK7, "run", "--redis", store_process, "--no-report", "--out", str(run)),
                *("--connect", ",".join(CONNECTS), "--write", WRITES, "--users", "40"),
                *("--sessions", "10", "--duration", "1", "--json"),
            ],
            stdout=subprocess.DEVNULL,
            check=False,  # 98 where a busy machine made the run not valid
            timeout=240,
        )
    done = subprocess.run([*CHUNK7, "watch", "--from", str(log), "--json"], stdout=subprocess.PIPE)
    assert done.returncode == 0
    return Both(open_study(run), document(), json.loads(done.stdout))


def test_both_name_the_same_lost_chunks(both: Both) -> None:
    study, lost = both.study, losses(both.study)
    compared: Counter[str] = Counter()
    for match in matches(both):
        seen = {(c["message_id"], c["index"]) for c in match.watched["chunks_lost"]}
        theirs = lost[match.connection_id]
        if match.connect == "sequence_gap_fill":  # it fetches what it sees to be missing
            assert seen <= theirs | fetched(study, match.connection_id), match
        else:
            assert seen == theirs, match
        compared[match.connect] += 1
        compared["lost"] += bool(seen)
    assert set(compared) == {*CONNECTS, "lost"}
    assert compared.total() > 100


def test_the_window_is_the_runs_as_far_as_it_can_know_it(both: Both) -> None:
    joins = both.study.joins
    for match in matches(both):
        window_ns = joins.window_ns[match.row]
        open_ns = joins.read.off_ns[match.row] + np.nan_to_num(joins.subscribe.off_ns[match.row])
        assert abs(match.watched["window_us"] * 1_000 - window_ns) <= open_ns + OFF_NS, match


def test_no_join_of_the_run_goes_unseen(both: Both) -> None:
    """A gap filler's fetches are reads as well, so there may be more, and never fewer."""
    seen = Counter(join["session"] for join in both.live["joins"])
    assert seen >= Counter(both.study.run.joins["session_id"])


def test_a_saved_log_says_what_was_said_live(both: Both) -> None:
    for what in ("joins", "chunks"):
        assert without_lines(both.saved[what]) == without_lines(both.live[what])


def test_the_bugs_joins_raced_and_a_streams_never(both: Both) -> None:
    """Whether or not anything was lost."""
    raced = defaultdict(set)
    for match in matches(both):
        raced[match.connect].add(match.watched["raced"])
    assert raced["history_then_subscribe"] == {True}
    assert raced["redis_streams"] == {False}


def without_lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of the two began to count a little earlier."""
    return [{k: v for k, v in row.items() if not k.endswith("_line")} for row in rows]


# --- the run's side ---


def matches(both: Both) -> Iterator[Match]:
    """Joins with a window that are not ambiguous, and of which the run has exactly one."""
    run, read = both.study.run, both.study.joins.read
    clock = min(run.clocks.itertuples(), key=lambda row: row.uncertainty_ns)
    sessions = run.joins["session_id"].to_numpy()
    for join in both.live["joins"]:
        if join["window_us"] is None or join["ambiguous"]:
            continue
        at_ns = join["read_at_us"] * 1_000 - clock.offset_ns - run.origin_ns
        off_ns = clock.uncertainty_ns + 100_000
        near = (read.earliest_ns - off_ns <= at_ns) & (at_ns <= read.latest_ns + off_ns)
        rows = np.flatnonzero(near & (sessions == join["session"]))
        if len(rows) == 1:
            row = run.joins.iloc[rows[0]]
            yield Match(join, int(rows[0]), row["connect"], int(row["connection_id"]))


def losses(study: Study) -> defaultdict[int, set[tuple[str, int]]]:
    """What each connection lost by the handover."""
    found: defaultdict[int, set[tuple[str, int]]] = defaultdict(set)
    for row in study.losses.itertuples():
        if row.cause in CAUSES:
            found[int(row.connection_id)].add((row.message_id, int(row.index)))
    return found


def fetched(study: Study, connection_id: int) -> set[tuple[str, int]]:
    """What came to a connection through a fetch."""
    run = study.run
    row = int(np.flatnonzero(run.connections["connection_id"].to_numpy() == connection_id)[0])
    session = run.connections["session_id"].iloc[row]
    chunks = run.published[run.published["session_id"] == session].set_index("seq")
    for batch in run.receipts():
        at = row - batch.first_row
        if 0 <= at < len(batch.offsets) - 1:
            mine = slice(batch.offsets[at], batch.offsets[at + 1])
            seqs = batch.seq[mine][batch.via[mine] == Via.FETCH]
            return {(chunks.loc[s, "message_id"], int(chunks.loc[s, "index"])) for s in seqs}
    return set()


# --- the watcher's side ---


@contextmanager
def watching(url: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """`chunk7 watch` for as long, ended by Ctrl-C; its document afterwards."""
    process = subprocess.Popen(
        [*CHUNK7, "watch", "--redis", url, "--duration", "250", "--json"],
        stdout=subprocess.PIPE,
    )
    said: list[bytes] = []
    try:
        wait_for_monitors(url, 2)
        yield lambda: json.loads(said[0])
        process.send_signal(signal.SIGINT)
        said.append(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@contextmanager
def monitor_saved(url: str, path: Path) -> Iterator[None]:
    """The bytes of a MONITOR, into a file, as `redis-cli monitor >FILE` would have them."""
    with path.open("wb") as file, connected(url) as monitor:
        monitor.sendall(b"MONITOR\r\n")

        def save() -> None:
            while data := monitor.recv(65_536):
                file.write(data)

        thread = threading.Thread(target=save)
        thread.start()
        try:
            yield
        finally:
            monitor.shutdown(socket.SHUT_RDWR)
            thread.join()


def wait_for_monitors(url: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with connected(url) as client:
            client.sendall(b"CLIENT LIST TYPE normal\r\n")
            if client.recv(65_536).count(b"cmd=monitor") >= count:
                return
        assert time.monotonic() < deadline, "nobody monitors the store"
        time.sleep(0.05)  # poll, bounded by the deadline


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("redis://").removesuffix("/0").partition(":")
    return socket.create_connection((host, int(port)))
