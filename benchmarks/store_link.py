"""What a node and the producer pay for their connection to the store, by who does what in it.

python -m benchmarks.store_link [--seconds S] [--rates R ...] [--repeats N]

The same node and the same producer, each in a process of its own, with one of three links, in turn:
ours alone (no redis-py at all), ours on a connection that redis-py has opened (as shipped), and
ours on redis-py's connection with its packing and its `read_response`. The producer streams into
a valkey-server on loopback, the node relays all of it to two clients a session. Reported is
processor time, user and system, a chunk: the producer's while it streams, the node's meanwhile.
Before that, the links alone: two commands at a time, all links in one process by turns, which tells
smaller differences from noise.
"""

import argparse
import asyncio
import contextlib
import logging
import math
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import hiredis
import redis
from redis.exceptions import RedisError, ResponseError
from websockets.asyncio.client import ClientConnection, connect

import chunk7.nodes.backend
import chunk7.wire.store.link
import chunk7.wire.store.store
from benchmarks.producer_rate import Trial, attempt, store
from chunk7.cluster.deployments.probes import answers_http, free_ports
from chunk7.nodes.__main__ import main as node_main
from chunk7.wire.store.address import parse_address
from chunk7.wire.store.link import Link

HOST = "127.0.0.1"
SESSIONS, CLIENTS_A_SESSION = 50, 2
HEAD = """\
| write ordering | chunks/s | link | producer, us a chunk | | node, us a chunk | |
|---|---|---|---|---|---|---|"""


class Alone(Link):
    """Without redis-py, as it was before: asyncio's connection to a store without a password."""

    @classmethod
    async def open(
        cls,
        url: str,
        name: str = "chunk7",
        on_push: Callable[[Any], None] | None = None,
        timeout_s: float = 5.0,
    ) -> Self:
        """Connect to a redis:// URL and give our name."""
        parts = urlsplit(url)
        link = cls()
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: link, parts.hostname, parts.port)
        await link.send("CLIENT", "SETNAME", name)
        link._on_push = on_push
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport


class OnItsParser(Link):
    """redis-py packs and parses: its `pack_commands`, its writer, its `read_response` in a loop."""

    _connection: Any
    _reading: "asyncio.Task[None]"

    @classmethod
    async def open(
        cls,
        url: str,
        name: str = "chunk7",
        on_push: Callable[[Any], None] | None = None,
        timeout_s: float = 5.0,
    ) -> Self:
        """As `Link.open`, but redis-py keeps its connection."""
        link = cls(on_push)
        link._connection = await parse_address(url).connect(name)
        link._transport = link._connection._writer.transport
        link._reading = asyncio.create_task(link._read())
        return link

    def _write(self, commands: tuple[tuple[str | bytes | int, ...], ...]) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += self._connection.pack_commands(commands)

    async def _read(self) -> None:
        read = self._connection.read_response
        with contextlib.suppress(RedisError, asyncio.CancelledError):
            while True:
                try:
                    answer = await read(timeout=math.inf, disconnect_on_error=False)
                except ResponseError as error:
                    answer = hiredis.ReplyError(str(error))
                self.heard_ns = chunk7.wire.store.link.now_ns()
                if self._on_push is not None:
                    self._on_push(answer)
                else:
                    chunk7.wire.store.link._settle(self._waiting.popleft(), answer)
        self.connection_lost(None)


LINKS: dict[str, type[Link]] = {
    "no redis-py": Alone,
    "opened by redis-py (shipped)": Link,
    "redis-py's packing and parsing": OnItsParser,
}


def _use(link: str) -> None:
    """From now on this process has this link to its store."""
    logging.disable()
    chunk7.wire.store.store.Link = chunk7.nodes.backend.Link = LINKS[link]  # type: ignore[misc]


def _produce(link: str, url: str, write: str, rate: int, seconds: float) -> Trial:
    _use(link)
    return asyncio.run(attempt(url, write, rate, SESSIONS, seconds))


def _relay(link: str, words: list[str]) -> None:
    _use(link)
    node_main(words)


async def _measure(
    link: str, url: str, write: str, rate: int, seconds: float
) -> tuple[float, float]:
    """Microseconds of the processor a chunk: (the producer's, the node's)."""
    with redis.Redis.from_url(url) as everything:
        everything.flushall()  # else clients know the last measurement's chunks, and get none
    spawn = multiprocessing.get_context("spawn")
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, spawn) as pool:
        words = ["--listen", f"{HOST}:{port}", "--redis", url, "--name", "node"]
        words += ["--records", str(Path(folder, "raw"))]
        node = spawn.Process(target=_relay, args=(link, words), daemon=True)
        node.start()
        while not await answers_http(HOST, port)():  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # poll: it says nothing by itself
        swallowing: list[asyncio.Task[int]] = []
        async with contextlib.AsyncExitStack() as stack:
            for session in range(SESSIONS):
                for _ in range(CLIENTS_A_SESSION):
                    at = f"ws://{HOST}:{port}/ws/{write}-{rate}-0-{session}?ordering=buffered_merge"
                    client = await stack.enter_async_context(connect(at, compression=None))
                    swallowing.append(asyncio.create_task(_swallow(client)))
            used_s = _used_s(node.pid)
            arguments = (link, url, write, rate, seconds)
            loop = asyncio.get_running_loop()
            trial = await loop.run_in_executor(pool, _produce, *arguments)
            used_s = _used_s(node.pid) - used_s
        frames = sum([await task for task in swallowing])
        assert frames > 0.5 * CLIENTS_A_SESSION * rate * seconds, "the node did not relay it all"
        node.terminate()
        await asyncio.to_thread(node.join)
    return trial.cpu_us, 1e6 * used_s / (rate * seconds)


async def _swallow(client: ClientConnection) -> int:
    """Read until the end; how many chunks came."""
    return sum([1 async for frame in client if str(frame).startswith('{"type":"chunk"')])


def _used_s(pid: int | None) -> float:
    """Processor time of another process so far (Linux: CPUCLOCK_SCHED of that process)."""
    assert pid is not None
    return time.clock_gettime((~pid << 3) | 2)


async def _pairs(url: str, rounds: int = 30, pairs: int = 1_000) -> dict[str, float]:
    """Microseconds that a link needs for two commands and their replies, by its name; medians."""
    links = {name: await kind.open(url) for name, kind in LINKS.items()}
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, link in links.items():
            used_s = time.process_time()
            for _ in range(pairs):
                await asyncio.gather(link.send("ECHO", 100 * "x"), link.send("PING"))
            taken[name].append(1e6 * (time.process_time() - used_s) / pairs)
    for link in links.values():
        await link.close()
    return {name: statistics.median(costs) for name, costs in taken.items()}


def main() -> None:
    """Print the table: medians, and each beside the first link's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 2_000])
    parser.add_argument("--writes", nargs="+", default=["save_then_publish", "atomic_lua"])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with store() as url:
        print("| link | us for two commands |\n|---|---|")
        for name, cost_us in asyncio.run(_pairs(url)).items():
            print(f"| {name} | {cost_us:.1f} |")
        print(f"\n{HEAD}")
        for write in given.writes:
            for rate in given.rates:
                taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
                for turn in range(given.repeats):
                    for link in _rotated(list(LINKS), turn):
                        taken[link].append(
                            asyncio.run(_measure(link, url, write, rate, given.seconds))
                        )
                _show(write, rate, taken)


def _rotated(names: list[str], by: int) -> list[str]:
    """Each is first as often as the others: who comes later meets a warmer machine."""
    by %= len(names)
    return names[by:] + names[:by]


def _show(write: str, rate: int, taken: dict[str, list[tuple[float, float]]]) -> None:
    medians = {
        link: tuple(statistics.median(values) for values in zip(*pairs, strict=True))
        for link, pairs in taken.items()
    }
    first = medians[next(iter(LINKS))]
    for link in LINKS:
        costs = medians[link]
        cells = [
            f"{cost:.0f} | {cost / base - 1:+.0%}" for cost, base in zip(costs, first, strict=True)
        ]
        print(f"| {write} | {rate:,} | {link} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
