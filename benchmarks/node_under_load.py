"""A node under load: what a crowd of other clients costs the good ones, and what the node.

Real parts on loopback: a valkey-server, one node process a scenario, crowds in a process of their
own. Good clients are 20 on 5 sessions of 50 chunks a second; a chunk says when it was published, so
their delay is from PUBLISH to the client. Everything compared is compared within one run.

    python -m benchmarks.node_under_load [--checkout DIR] [--seconds 10] [SCENARIO ...]

`--checkout` takes the node from another working copy: the same clients before and after a change.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.producer_rate import store
from chunk7.delivery.chunk import Chunk, history_key, seq_key, stream_key
from chunk7.wire.clock import now_ns
from chunk7.wire.frames import (
    ChunkFrame,
    FetchFrame,
    HistoryFrame,
    WelcomeFrame,
    decode_server_frame,
    encode,
    encode_chunk,
)
from chunk7.wire.store.link import Link

HOST = "127.0.0.1"
GOOD_SESSIONS, GOOD_CLIENTS, CHUNK_RATE = 5, 20, 50
IDLE, DEAF, WAVES = 5_000, 200, 7
ROUNDS = 3
SETTLE_S = 2.0
"""For a crowd's joins, which are not what is measured."""
MOST_FETCH_MS = 551.0
"""What 99% of the fetches took while each read the whole session."""
MOST_DELAYED = 2.0
MEMORY_MB = 512
"""What compose.yaml allows a node."""
LONG = 50_000
"""Chunks of the long session."""
DEADLINE_S = 90.0


# --- the crowd: a process of its own ---


@dataclass(frozen=True)
class Crowd:
    """Connections of one kind: `idle` ones read, `deaf` ones never, `half` send half a handshake.

    `retry`: as soon as one is refused, another comes.
    """

    kind: str
    count: int
    sessions: tuple[str, ...] = ("idle",)
    ordering: str = "history_then_subscribe"
    retry: bool = False


class _Sponge(asyncio.Protocol):
    def __init__(self, request: bytes, deaf: bool, gone: Callable[[], None]) -> None:
        self._request, self._deaf, self._gone = request, deaf, gone

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)
        if self._deaf:
            transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()


async def _gather(crowd: Crowd, port: int, there: Event, over: Event) -> None:
    loop = asyncio.get_running_loop()
    waiting = asyncio.Semaphore(50)

    async def come(number: int) -> None:
        session = crowd.sessions[number % len(crowd.sessions)]
        request = _handshake(session, crowd.ordering)
        request = request[:20] if crowd.kind == "half" else request
        gone = asyncio.Event()
        while True:
            async with waiting:
                with contextlib.suppress(OSError):
                    raw = socket.socket()
                    if crowd.kind == "deaf":
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                    raw.setblocking(False)
                    await asyncio.wait_for(loop.sock_connect(raw, (HOST, port)), 5)
                    await loop.create_connection(
                        lambda: _Sponge(request, crowd.kind == "deaf", gone.set), sock=raw
                    )
            if not crowd.retry:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), 0.2)
            gone.clear()
            await asyncio.sleep(0.05)

    coming = [asyncio.create_task(come(number)) for number in range(crowd.count)]
    if not crowd.retry:
        await asyncio.wait(coming, timeout=DEADLINE_S)
    there.set()
    await asyncio.to_thread(over.wait)
    for task in coming:
        task.cancel()


def _handshake(session: str, ordering: str) -> bytes:
    return (
        f"GET /ws/{session}?ordering={ordering} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


def _crowd_process(crowd: Crowd, port: int, there: Event, over: Event) -> None:
    asyncio.run(_gather(crowd, port, there, over))


@contextlib.asynccontextmanager
async def present(crowd: Crowd, node: "NodeProcess") -> AsyncIterator[None]:
    """The crowd is there meanwhile."""
    context = multiprocessing.get_context("spawn")
    there, over = context.Event(), context.Event()
    process = context.Process(target=_crowd_process, args=(crowd, node.port, there, over))
    process.start()
    try:
        await asyncio.to_thread(there.wait, DEADLINE_S)
        yield
    finally:
        over.set()
        await asyncio.to_thread(process.join, 10)
        process.kill()


# --- the node ---


@dataclass
class NodeProcess:
    """A node and what is measured of it. `peak_mb` is the largest of all readings so far."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    peak_mb: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def rss_mb(self) -> float:
        """Its memory now; not a number once it has ended."""
        if not self.alive:
            return float("nan")
        now_mb: float = psutil.Process(self.process.pid).memory_info().rss / 2**20
        self.peak_mb = max(self.peak_mb, now_mb)
        return now_mb

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body. Raises OSError, TimeoutError, aiohttp.ClientError."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as http,
            http.get(f"http://{HOST}:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def metric(self, name: str) -> float:
        """The value of one line of /metrics."""
        _, text = await self.get("/metrics")
        return float(
            next(x for x in text.splitlines() if x.startswith(f"{name} ")).rpartition(" ")[2]
        )


@contextlib.asynccontextmanager
async def running(
    url: str, checkout: Path, *more: str, files: int = 20_000
) -> AsyncIterator[NodeProcess]:
    """A node of the working copy, with at most so many open files."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
        free.close()
        log = Path(folder, "log")
        command = [sys.executable, "-P", "-m", "chunk7.nodes", "--listen", f"{HOST}:{port}"]
        command += ["--redis", url, "--name", "n1", "--records", f"{folder}/raw", *more]

        node = NodeProcess(_started(command, log, checkout, files), port, log)
        try:
            deadline_s = time.monotonic() + DEADLINE_S
            while "listening" not in _said(node):
                if not node.alive or time.monotonic() > deadline_s:
                    raise RuntimeError(f"the node did not start: {_said(node)}")
                await asyncio.sleep(0.05)
            yield node
        finally:
            node.process.kill()
            node.process.wait(10)


def _started(
    command: list[str], log: Path, checkout: Path, files: int
) -> "subprocess.Popen[bytes]":
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    with log.open("wb") as output:
        return subprocess.Popen(command, stderr=output, preexec_fn=limit, env=environment)


def _said(node: NodeProcess) -> str:
    return node.log.read_text()


# --- good clients ---


@dataclass
class Delays:
    """What good clients saw, in ms."""

    live_ms: list[float] = field(default_factory=list)

    def p99_ms(self) -> float:
        """Not a number when nothing came."""
        return float(np.quantile(self.live_ms, 0.99)) if self.live_ms else float("nan")

    def text(self) -> str:
        """Median, 99% and longest."""
        if not self.live_ms:
            return "nothing came"
        p50, p99 = np.quantile(self.live_ms, [0.5, 0.99])
        return f"p50 {p50:.1f}, p99 {p99:.1f}, max {max(self.live_ms):.0f}"


async def _publish(link: Link, sessions: list[str], text: str) -> None:
    """For ever: CHUNK_RATE a second and session, evenly, not all at once."""
    due_s, seq = time.monotonic(), 0
    while True:
        seq += 1
        for session in sessions:
            due_s += 1 / CHUNK_RATE / len(sessions)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            one = Chunk(session, str(now_ns()), seq, text, seq=seq)
            link.send("PUBLISH", stream_key(session), encode_chunk(one)).add_done_callback(
                lambda reply: reply.cancelled() or reply.exception()
            )


async def _listen(connection: ClientConnection, delays: Delays) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            frame = decode_server_frame(await connection.recv(decode=False))
            if isinstance(frame, ChunkFrame):
                delays.live_ms.append((now_ns() - int(frame.message_id)) / 1e6)


@contextlib.asynccontextmanager
async def good_clients(url: str, node: NodeProcess) -> AsyncIterator[Delays]:
    """They listen meanwhile; what is in `delays` may be cleared at any time."""
    sessions = [f"good{number}" for number in range(GOOD_SESSIONS)]
    link, delays = await Link.open(url), Delays()
    async with contextlib.AsyncExitStack() as stack:
        tasks = []
        for number in range(GOOD_CLIENTS):
            address = f"ws://{HOST}:{node.port}/ws/{sessions[number % GOOD_SESSIONS]}"
            connection = await stack.enter_async_context(connect(address, compression=None))
            tasks.append(asyncio.create_task(_listen(connection, delays)))
        tasks.append(asyncio.create_task(_publish(link, sessions, "a few words of text")))
        try:
            yield delays
        finally:
            for task in tasks:
                task.cancel()
            await link.close()


async def _watched(node: NodeProcess, seconds: float) -> None:
    """Let time pass, and look at the node's memory meanwhile."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        node.rss_mb()
        await asyncio.sleep(0.1)


# --- the scenarios ---


class Row(NamedTuple):
    """What else there is, the good ones' delay, what came of the node, its bound, if it held."""

    what: str
    delay: str
    node: str
    bound: str = ""
    held: bool = True


async def idle(url: str, checkout: Path, seconds: float) -> list[Row]:
    """Thousands of clients that only get heartbeats; with them, readers and who never reads.

    The crowd of readers and that of the deaf take turns, ROUNDS times, and the median of their
    ratios is told: both have the same chunks, and what else the machine does meets both.
    """
    async with running(url, checkout) as node, good_clients(url, node) as delays:
        await asyncio.sleep(1)
        alone = await _measured(node, delays, seconds)
        rows = [Row("nobody else", delays.text(), f"{node.rss_mb():.0f} MB")]
        idlers = Crowd("idle", IDLE, tuple(f"idle{number}" for number in range(IDLE)))
        async with present(idlers, node):
            await asyncio.sleep(SETTLE_S)
            p99_ms = await _measured(node, delays, seconds)
            held = f"x{p99_ms / alone:.1f} of nobody else; {node.rss_mb():.0f} MB"
            fits = node.peak_mb <= MEMORY_MB
            rows.append(Row(f"{IDLE:,} idle", delays.text(), held, f"{MEMORY_MB} MB", fits))
            return rows + await _deaf_or_not(url, node, delays, seconds)


async def _deaf_or_not(url: str, node: NodeProcess, delays: Delays, seconds: float) -> list[Row]:
    flood = tuple(f"flood{number}" for number in range(10))
    p99_ms: dict[str, list[float]] = {"idle": [], "deaf": []}
    node.peak_mb, last = 0, {}
    link = await Link.open(url)
    for _ in range(ROUNDS):
        for kind, seen in p99_ms.items():
            async with present(Crowd(kind, DEAF, flood), node):
                publishing = asyncio.create_task(_publish(link, list(flood), "x" * 500))
                await asyncio.sleep(SETTLE_S)
                seen.append(await _measured(node, delays, seconds))
                last[kind] = delays.text()
                publishing.cancel()
    await link.close()
    ratio = float(np.median(np.divide(p99_ms["deaf"], p99_ms["idle"])))
    fits = ratio <= MOST_DELAYED and node.peak_mb <= MEMORY_MB
    bound = f"x{MOST_DELAYED:g}, {MEMORY_MB} MB"
    held = f"p99 x{ratio:.2f} of readers, median of {ROUNDS}; at most {node.peak_mb:.0f} MB"
    return [
        Row(f"{IDLE:,} idle, {DEAF} readers", last["idle"], f"at most {node.peak_mb:.0f} MB"),
        Row(f"{IDLE:,} idle, {DEAF} never read", last["deaf"], held, bound, fits),
    ]


async def _measured(node: NodeProcess, delays: Delays, seconds: float) -> float:
    """The good ones' p99 of the next so many seconds, in ms."""
    delays.live_ms.clear()
    await _watched(node, seconds)
    return delays.p99_ms()


async def waves(url: str, checkout: Path, seconds: float) -> list[Row]:
    """Waves of clients that never read, each until all were closed; the good ones meanwhile."""
    rows = []
    flood = [f"flood{number}" for number in range(10)]
    link = await Link.open(url)
    async with running(url, checkout) as node, good_clients(url, node) as delays:
        await asyncio.sleep(1)
        delays.live_ms.clear()
        await _watched(node, seconds)
        rows.append(Row("before the waves", delays.text(), f"RSS {node.rss_mb():.0f} MB"))
        for wave in range(1, WAVES + 1):
            delays.live_ms.clear()
            node.peak_mb = 0
            async with present(Crowd("deaf", DEAF, tuple(flood)), node):
                publishing = asyncio.create_task(_publish(link, flood, "x" * 20_000))
                end_s = time.monotonic() + DEADLINE_S
                while (
                    await node.metric("chunk7_node_slow_clients_total") < wave * DEAF
                    and time.monotonic() < end_s
                ):
                    await _watched(node, 0.3)
                publishing.cancel()
            await _watched(node, 1.0)
            memory = f"RSS {node.rss_mb():.0f} MB, at most {node.peak_mb:.0f}"
            rows.append(Row(f"wave {wave}", delays.text(), memory))
    await link.close()
    return rows


async def _save_long_session(url: str, session: str = "long") -> None:
    link = await Link.open(url)
    payloads = [
        encode_chunk(Chunk(session, "m", n - 1, "a few words of text", seq=n))
        for n in range(1, LONG + 1)
    ]
    await link.send("SET", seq_key(session), LONG)
    for begin in range(0, LONG, 1_000):
        await link.send("RPUSH", history_key(session), *payloads[begin : begin + 1_000])
    await link.close()


async def _fetching(connection: ClientConnection, seed: int, taken_ms: list[float]) -> None:
    """One chunk of the long session, ten times a second."""
    draw = random.Random(seed)
    while not isinstance(decode_server_frame(await connection.recv(decode=False)), WelcomeFrame):
        pass
    while True:
        seq = draw.randint(1, LONG)
        began_ns = now_ns()
        await connection.send(encode(FetchFrame(seq, seq)), text=True)
        while True:
            frame = decode_server_frame(await connection.recv(decode=False))
            if isinstance(frame, HistoryFrame):
                break
        assert [one.seq for one in frame.messages] == [seq]
        taken_ms.append((now_ns() - began_ns) / 1e6)
        await asyncio.sleep(max(0.0, 0.1 - taken_ms[-1] / 1e3))


async def fetches(url: str, checkout: Path, seconds: float) -> list[Row]:
    """20 clients that fetch one chunk at a time of a long session, then joins of it."""
    rows, taken_ms, joined_ms = [], list[float](), list[float]()
    async with running(url, checkout) as node, good_clients(url, node) as delays:
        address = f"ws://{HOST}:{node.port}/ws/long?ordering=buffered_merge"
        async with contextlib.AsyncExitStack() as stack:
            connections = [
                await stack.enter_async_context(
                    connect(f"{address}&after_seq={LONG}", compression=None)
                )
                for _ in range(20)
            ]
            delays.live_ms.clear()
            tasks = [
                asyncio.create_task(_fetching(connection, seed, taken_ms))
                for seed, connection in enumerate(connections)
            ]
            await _watched(node, seconds)
            for task in tasks:
                task.cancel()
        fetch_p99_ms = float(np.quantile(taken_ms, 0.99))
        rows.append(
            Row(
                f"20 clients fetch of {LONG:,} chunks",
                delays.text(),
                _fetch_text(taken_ms, "fetch"),
                f"p99 {MOST_FETCH_MS:g} ms",
                fetch_p99_ms <= MOST_FETCH_MS,
            )
        )
        delays.live_ms.clear()
        for _ in range(10):
            began_ns = now_ns()
            async with connect(address, compression=None, max_size=None) as connection:
                await connection.recv(decode=False)
                joined_ms.append((now_ns() - began_ns) / 1e6)
        joined = _fetch_text(joined_ms, "join")
        rows.append(Row(f"10 joins of {LONG:,} chunks", delays.text(), joined))
    return rows


def _fetch_text(taken_ms: list[float], what: str) -> str:
    p50, p99 = np.quantile(taken_ms, [0.5, 0.99])
    return f"{what} p50 {p50:.0f}, p99 {p99:.0f} ms, {len(taken_ms)} of them"


async def histories(url: str, checkout: Path, seconds: float) -> list[Row]:
    """40 clients that ask for the long session's history and read none of it."""
    async with running(url, checkout) as node, good_clients(url, node) as delays:
        delays.live_ms.clear()
        async with present(Crowd("deaf", 40, ("long",), "buffered_merge"), node):
            await _watched(node, seconds)
        memory = f"at most {node.peak_mb:.0f} MB"
        fits = node.peak_mb <= MEMORY_MB
        what = f"40 histories of {LONG:,}, not read"
        return [Row(what, delays.text(), memory, f"{MEMORY_MB} MB", fits)]


async def _under_attack(
    url: str, checkout: Path, crowd: Crowd, seconds: float, *more: str, files: int
) -> Row:
    async with running(url, checkout, *more, files=files) as node:
        asked = answered = 0
        async with good_clients(url, node) as delays:
            delays.live_ms.clear()
            async with present(crowd, node):
                end_s = time.monotonic() + seconds
                while time.monotonic() < end_s:
                    asked += 1
                    with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError):
                        await node.get("/healthz")
                        answered += 1
                    await asyncio.sleep(0.1)
                lines = len(_said(node).splitlines())
                state = "alive" if node.alive else f"ended with {node.process.returncode}"
        health = f"{state}, /healthz {answered} of {asked}, {lines:,} lines of log"
        what = f"{crowd.count:,} {crowd.kind}, {files:,} files"
        return Row(what, delays.text(), health, "alive", node.alive)


async def half_open(url: str, checkout: Path, seconds: float) -> list[Row]:
    """Connections that send half a handshake, five times as many as there may be files."""
    crowd = Crowd("half", 5_200)
    return [await _under_attack(url, checkout, crowd, seconds, files=1_024)]


async def retries(url: str, checkout: Path, seconds: float) -> list[Row]:
    """Polite retriers at a full node, with few files."""
    full = ("--max-clients", str(GOOD_CLIENTS))
    retriers = Crowd("idle", 400, retry=True)
    return [
        await _under_attack(url, checkout, retriers, seconds, *full, files=300),
        await _under_attack(url, checkout, retriers, seconds, *full, files=1_024),
    ]


SCENARIOS: dict[str, Callable[[str, Path, float], Awaitable[list[Row]]]] = {
    "idle": idle,
    "waves": waves,
    "fetches": fetches,
    "histories": histories,
    "half_open": half_open,
    "retries": retries,
}


def measure(names: Iterable[str], checkout: Path, seconds: float) -> Iterator[Row]:
    """The scenarios in turn, on a store with the long session in it."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, files), files))
    with store() as url:
        asyncio.run(_save_long_session(url))
        for name in names:
            yield from asyncio.run(SCENARIOS[name](url, checkout, seconds))


def main() -> None:
    """Run the scenarios in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    print("| what else there is | good clients' delay, ms | of the node | bound | held |")
    print("|---|---|---|---|---|")
    for *cells, held in measure(given.scenario, given.checkout.resolve(), given.seconds):
        print(f"| {' | '.join(cells)} | {'yes' if held else '**no**'} |", flush=True)


if __name__ == "__main__":
    main()
