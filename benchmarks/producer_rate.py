"""How many chunks a second one core can write, in each write ordering.

python benchmarks/producer_rate.py [--seconds S] [--sessions N]

A valkey-server of its own on loopback, recording on, nobody subscribed, jitter 1 (nearly Poisson).
The rate of all sessions together is doubled from 500 chunks/s on until it is not held: a producer
that is late is of no use, so a rate is held when 99% of the chunks start within 20 ms of their
intended instants and none fails. Processor time is the producer's own, user and system.
"""

import argparse
import asyncio
import logging
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.producer.answers import SHIPPED, read_answers
from chunk7.producer.journal import Journal
from chunk7.producer.metrics import ProducerMetrics
from chunk7.producer.service import Producer
from chunk7.producer.store_connection import StoreConnection
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.plan import Cell, Plan
from chunk7.wire.recorder import Recorder
from chunk7.wire.records import read_back

HELD_WITHIN_MS = 20.0
FIRST_RATE, MOST_DOUBLINGS = 500, 8
HEAD = """\
| write ordering | chunks/s asked | held | CPU a chunk, us | core | late p50, ms | late p99, ms |
|---|---|---|---|---|---|---|"""


@dataclass(frozen=True)
class Trial:
    """One rate tried. Lateness is from the intended instant to the start; core is CPU / wall."""

    held: bool
    cpu_us: float
    core: float
    late_p50_ms: float
    late_p99_ms: float


async def attempt(url: str, write: str, rate: int, sessions: int, seconds: float) -> Trial:
    """Stream at `rate` chunks/s, all sessions together, and see how it went."""
    plan = Plan(
        run=f"{write}-{rate}",
        cells=[Cell("", write)],
        seed=1,
        sessions=sessions,
        duration_ms=round(seconds * 1_000),
        settle_ms=0,
        chunk_rate=rate / sessions,
        jitter=1.0,
        ttft_ms=0.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Recorder(Path(folder), "producer"), ProducerMetrics())
        connection = await StoreConnection.open(url, "producer", 60_000, None)
        await connection.store.link.send("FLUSHALL")
        answers = read_answers(SHIPPED)
        async with asyncio.TaskGroup() as group:
            keep = group.create_task(journal.keep())
            producer = Producer(connection, journal, answers, WRITE_ORDERINGS, group)
            await producer.take(plan)
            used_s, wall_s = time.process_time(), time.monotonic()
            await producer.finished()
            used_s, wall_s = time.process_time() - used_s, time.monotonic() - wall_s
            keep.cancel()
        journal.close()
        await connection.close()
        rows = read_back(Path(folder) / "producer.published.arrows").table
    late_ms = (rows["started_ns"].to_numpy() - rows["intended_ns"].to_numpy()) / 1e6
    p50, p99 = np.percentile(late_ms, [50, 99])
    held = bool(p99 < HELD_WITHIN_MS) and journal.totals.errors == 0
    return Trial(held, 1e6 * used_s / len(rows), used_s / wall_s, p50, p99)


@contextmanager
def store() -> Iterator[str]:
    """A store of our own; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [valkey_server(), "--port", str(port), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    """Print the table."""
    logging.disable()  # nobody is subscribed, and that is meant
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--sessions", type=int, default=100)
    given = parser.parse_args()
    print(HEAD)
    with store() as url:
        for write in WRITE_ORDERINGS:
            for doubling in range(MOST_DOUBLINGS):
                rate = FIRST_RATE * 2**doubling
                trial = asyncio.run(attempt(url, write, rate, given.sessions, given.seconds))
                print(
                    f"| {write} | {rate:,} | {'yes' if trial.held else 'no'} | {trial.cpu_us:.0f} "
                    f"| {trial.core:.0%} | {trial.late_p50_ms:.1f} | {trial.late_p99_ms:.1f} |",
                    flush=True,
                )
                if not trial.held:
                    break


if __name__ == "__main__":
    main()
