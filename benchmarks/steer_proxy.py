"""What the proxy of `chunk7 steer` costs: latency added a command, pipelined commands of a core.

python -m benchmarks.steer_proxy [--rounds N] [--commands N]

A valkey-server of its own on loopback, and the proxy in a process of its own, as `steer` has it:
`unparsed` without an interceptor, `parsed` with one that looks at each command and holds none.
`direct` is the store itself. One client: a command a round trip, and 100 commands a round trip.
Ways take turns within a round, and medians of the rounds are shown; processor time is the proxy's,
user and system.
"""

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import psutil

from benchmarks.monitor_cost import PAYLOAD, PIPELINE, command, server
from chunk7.instruments.steer.proxy import Passage, Proxy, Push

WAYS = ("direct", "unparsed", "parsed")
KINDS = {
    "GET, 200 bytes": (command(b"GET", b"k"), 200 + 8),
    "RPUSH, 200 bytes": (command(b"RPUSH", b"list", PAYLOAD), 0),
}
"""Command, and the length of its reply; 0: it ends with its line."""
HEAD = """\
| command | way | median us | p99 us | added, median us | pipelined/s | proxy CPU us a command \
| commands/s of a core |
|---|---|---|---|---|---|---|---|"""


class LooksOn:
    """Looks at everything and holds nothing, as `steer` does between two forced schedules."""

    def command(self, passage: Passage) -> bool:
        """Not held."""
        return passage.name == "NEVER"

    def push(self, push: Push) -> bool:
        """Not held."""
        return push.channel == b"never"

    def closed(self, connection: int) -> None:
        """Of no interest."""


def serve(store_port: int, parsed: bool, ready: Connection) -> None:
    """A proxy until the process is ended."""

    async def run() -> None:
        url = f"redis://127.0.0.1:{store_port}/0"
        async with Proxy(url, LooksOn() if parsed else None) as proxy:
            ready.send(urlsplit(proxy.url).port)
            await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def proxy_process(store_port: int, parsed: bool) -> Iterator[tuple[int, psutil.Process]]:
    """Its port and the process."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(store_port, parsed, theirs)
    )
    process.start()
    try:
        if not ours.poll(30):
            raise TimeoutError("the proxy did not start in 30 s")
        yield ours.recv(), psutil.Process(process.pid)
    finally:
        process.kill()
        process.join()


def exchange(client: socket.socket, data: bytes, count: int, size: int) -> None:
    """Send, and read so many replies."""
    client.sendall(data)
    left = count * (size or 1)
    while left > 0:
        received = client.recv(262_144)
        if not received:
            raise ConnectionError("hung up")
        left -= len(received) if size else received.count(b"\n")


def one_by_one_us(port: int, kind: str, commands: int) -> list[float]:
    """Of each command, how long its round trip took."""
    data, size = KINDS[kind]
    with _client(port) as client:
        found = []
        for _ in range(commands):
            begun = time.perf_counter_ns()
            exchange(client, data, 1, size)
            found.append((time.perf_counter_ns() - begun) / 1_000)
    return found


def pipelined_s(port: int, kind: str, commands: int) -> float:
    """How long they all took, PIPELINE a round trip."""
    data, size = KINDS[kind]
    with _client(port) as client:
        begun = time.perf_counter()
        for _ in range(commands // PIPELINE):
            exchange(client, data * PIPELINE, PIPELINE, size)
        return time.perf_counter() - begun


def _client(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    exchange(client, command(b"DEL", b"list") + command(b"SET", b"k", PAYLOAD), 2, 0)
    return client


def cpu_us(process: psutil.Process | None, work: Callable[[], float], commands: int) -> float:
    """The proxy's processor time a command while this is done; 0 without a proxy."""
    if process is None:
        return 0.0
    before = process.cpu_times()
    work()
    after = process.cpu_times()
    spent: float = after.user + after.system - before.user - before.system
    return spent / commands * 1e6


class Found:
    """Of one kind of command by one way, a value a round."""

    def __init__(self) -> None:
        self.median_us: list[float] = []
        self.p99_us: list[float] = []
        self.pipelined: list[float] = []
        self.cpu_us: list[float] = []

    def measure(self, port: int, process: psutil.Process | None, kind: str, commands: int) -> None:
        """One round."""
        alone = one_by_one_us(port, kind, commands // 10)
        self.median_us.append(statistics.median(alone))
        self.p99_us.append(statistics.quantiles(alone, n=100)[98])
        self.pipelined.append(commands / pipelined_s(port, kind, commands))
        more = commands * 4  # the system counts processor time in 10 ms
        self.cpu_us.append(cpu_us(process, lambda: pipelined_s(port, kind, more), more))


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=50_000)
    args = parser.parse_args()
    print(HEAD)
    with ExitStack() as stack:
        store_port, _ = stack.enter_context(server())
        unparsed = stack.enter_context(proxy_process(store_port, False))
        parsed = stack.enter_context(proxy_process(store_port, True))
        ends = dict(zip(WAYS, ((store_port, None), unparsed, parsed), strict=True))
        for kind in KINDS:
            found = {way: Found() for way in WAYS}
            for _ in range(args.rounds):
                for way, (port, process) in ends.items():
                    found[way].measure(port, process, kind, args.commands)
            _print(kind, found)
    return 0


def _print(kind: str, found: dict[str, Found]) -> None:
    base = statistics.median(found["direct"].median_us)
    for way, one in found.items():
        median, p99, pipelined, cpu = map(
            statistics.median, (one.median_us, one.p99_us, one.pipelined, one.cpu_us)
        )
        added = f"{median - base:.0f}" if way != "direct" else "-"
        shown = f"{cpu:.1f} | {1e6 / cpu:,.0f}" if cpu else "- | -"
        print(
            f"| {kind} | {way} | {median:.0f} | {p99:.0f} | {added} | {pipelined:,.0f} | {shown} |"
        )


if __name__ == "__main__":
    sys.exit(main())
