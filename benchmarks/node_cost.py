"""What a node costs: processor time a delivery and a join, memory at rest and of an idle client.

Real parts on loopback: a valkey-server, one node process at a time, clients in a process of their
own that read and discard. Reported is processor time of the node (user and system), in turn with
that of another working copy, so that what else the machine does meets both.

    python -m benchmarks.node_cost [--before DIR] [--rounds 3] [--json FILE] [--only joins]
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from benchmarks import rows
from benchmarks.node_under_load import DEADLINE_S, HOST, NodeProcess, running
from benchmarks.producer_rate import store
from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.link import Link

CLIENTS, CHANNELS = 200, 10
TOGETHER = 20
"""Chunks in one read of the store."""
DELIVERIES_S = 20_000
"""What a node is given, of either kind: it never has the core to itself."""
JOINS, IDLE = 2_000, 10_000
UNDER_WAY = 50
"""Joins at a time."""
PAYLOAD = encode_chunk(Chunk("session", "message", 12, "a few words of text", seq=1234))
Measured = dict[str, float]


# --- clients: a process of their own ---


class _Joiner(asyncio.Protocol):
    """Sends its handshake; `joined` is done with the welcome. What comes later is discarded."""

    def __init__(self, request: bytes) -> None:
        self._request, self._seen = request, b""
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.joined.done():
            self._seen += data
            if b'"welcome"' in self._seen:
                self.joined.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(f"refused: {self._seen[:200]!r}"))


async def _join_all(port: int, count: int, channels: int, there: Event, over: Event) -> None:
    loop, under_way = asyncio.get_running_loop(), asyncio.Semaphore(UNDER_WAY)

    async def join(number: int) -> None:
        request = (
            f"GET /ws/s{number % channels}?ordering=buffered_merge HTTP/1.1\r\nHost: {HOST}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
        async with under_way:
            _, joiner = await loop.create_connection(lambda: _Joiner(request), HOST, port)
            await asyncio.wait_for(joiner.joined, DEADLINE_S)

    await asyncio.gather(*map(join, range(count)))
    there.set()
    await asyncio.to_thread(over.wait)


def _clients_process(*arguments: Any) -> None:
    asyncio.run(_join_all(*arguments))


@contextlib.asynccontextmanager
async def joined(node: NodeProcess, count: int, channels: int) -> AsyncIterator[None]:
    """So many clients have joined, on so many channels. Raises RuntimeError if they could not."""
    context = multiprocessing.get_context("spawn")
    there, over = context.Event(), context.Event()
    process = context.Process(
        target=_clients_process, args=(node.port, count, channels, there, over)
    )
    process.start()
    try:
        if not await asyncio.to_thread(there.wait, DEADLINE_S):
            raise RuntimeError(f"{count} clients could not join")
        yield
    finally:
        over.set()
        await asyncio.to_thread(process.join, 10)
        process.kill()


# --- what is measured ---


def _cpu_s(node: NodeProcess) -> float:
    """User and system, of all its threads; psutil has it in hundredths of a second only."""
    threads = Path(f"/proc/{node.process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def _deliveries(node: NodeProcess, url: str, at_once: int, seconds: float) -> float:
    """Processor microseconds a delivery, with so many chunks in a read of the store."""
    link = await Link.open(url)
    pipelines_s = DELIVERIES_S / (at_once * CLIENTS / CHANNELS)
    began_s, cpu_s = time.monotonic(), _cpu_s(node)
    for number in range(int(seconds * pipelines_s)):
        await asyncio.sleep(max(0.0, began_s + number / pipelines_s - time.monotonic()))
        key = stream_key(f"s{number % CHANNELS}")
        replies = link.send_all(*[("PUBLISH", key, PAYLOAD)] * at_once)
        await asyncio.gather(*replies)
    await asyncio.sleep(0.1)
    count = (number + 1) * at_once * CLIENTS / CHANNELS
    used_us = (_cpu_s(node) - cpu_s) * 1e6 / count
    await link.close()
    return used_us


async def deliveries(url: str, checkout: Path, seconds: float) -> Measured:
    """200 clients on 10 channels; chunks that come 20 a read of the store, and alone."""
    async with running(url, checkout) as node, joined(node, CLIENTS, CHANNELS):
        return {
            "together": await _deliveries(node, url, TOGETHER, seconds),
            "alone": await _deliveries(node, url, 1, seconds),
        }


async def joins(url: str, checkout: Path, _seconds: float) -> Measured:
    """Joins a second of a whole core, from the accepted connection to the welcome."""
    async with running(url, checkout) as node:
        cpu_s = _cpu_s(node)
        async with joined(node, JOINS, JOINS // 20):
            return {"joins": JOINS / (_cpu_s(node) - cpu_s)}


async def memory(url: str, checkout: Path, _seconds: float) -> Measured:
    """At rest, and what each of thousands of idle clients adds, as many as there may be files."""
    idle = min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1_000)
    async with running(url, checkout, "--max-clients", str(idle)) as node:
        await asyncio.sleep(2)
        base_mb = node.rss_mb()
        async with joined(node, idle, idle // 20):
            await asyncio.sleep(2)
            return {"base": base_mb, "client": (node.rss_mb() - base_mb) * 1024 / idle}


SCENARIOS: dict[str, Callable[[str, Path, float], Awaitable[Measured]]] = {
    "deliveries": deliveries,
    "joins": joins,
    "memory": memory,
}
QUANTITIES = {
    "together": ("relay, chunks together (20 a store read)", "us a delivery", 1.5),
    "alone": ("relay, chunks alone", "us a delivery", 5.5),
    "joins": ("joins/s of a node core", "joins/s", 2_000.0),
    "base": ("node memory, base", "MiB", 50.0),
    "client": ("node memory, an idle client", "KiB", 10.0),
}
"""What is measured, its unit, and its target."""


def measure(names: list[str], before: Path | None, rounds: int, seconds: float) -> list[rows.Row]:
    """This working copy and the one before it in turn, so many rounds."""
    checkouts = {"chunk7": Path(__file__).parents[1]} | (
        {} if before is None else {"before": before}
    )
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, files), files))
    with store() as url:
        for _ in range(rounds):
            for name in names:
                for label, checkout in checkouts.items():
                    measured = asyncio.run(SCENARIOS[name](url, checkout.resolve(), seconds))
                    for key, value in measured.items():
                        seen[key][label].append(value)
    return [_row(key, values) for key, values in seen.items()]


def _row(key: str, values: dict[str, list[float]]) -> rows.Row:
    what, unit, target = QUANTITIES[key]
    median, noise = rows.spread(values.pop("chunk7"))
    peers = {name: rows.spread(taken)[0] for name, taken in values.items()}
    return rows.Row(what, unit, median, peers, target, key != "joins", noise)


def main() -> None:
    """Measure, print a table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="again for one more")
    parser.add_argument("--before", type=Path, help="another working copy, measured in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    measured = measure(given.only or [*SCENARIOS], given.before, given.rounds, given.seconds)
    print("| what | unit | before | now | noise | target |\n|---|---|---|---|---|---|")
    for row in measured:
        before = f"{row.peers['before']:,.2f}" if row.peers else ""
        print(
            f"| {row.what} | {row.unit} | {before} | {row.chunk7:,.2f} | {row.noise:.0%}"
            f" | {row.target:,g} |"
        )
    if given.json:
        rows.write(given.json, measured)


if __name__ == "__main__":
    main()
