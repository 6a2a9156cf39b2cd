"""What MONITOR costs the store: its processor time with 0, 1 and 2 of `chunk7 watch`.

python benchmarks/monitor_cost.py [--rounds N] [--commands N]

A valkey-server of its own on loopback. Clients save and publish chunks of 200 bytes, nobody is
subscribed: `pipelined`, 100 commands a round trip on one connection, which keeps the server busy;
`one by one`, a command a round trip on 16 connections, as applications mostly do. Conditions take
turns, and the medians of their rounds are shown. Processor time is the server's, user and system:
commands a second of it are what a server that is busy can do, whatever else the machine does.
"""

import argparse
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil

from chunk7.cluster.deployments.binaries import valkey_server

PAYLOAD = b"x" * 200
MONITORS = (0, 1, 2)
PIPELINE, CONNECTIONS = 100, 16
Load = Callable[[int, int], None]
"""Sends so many commands to a port."""
HEAD = """\
| clients | watching | server CPU a command, us | commands a second of CPU | of 0 watching |
|---|---|---|---|---|"""


def command(*words: bytes) -> bytes:
    """As RESP has it."""
    parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)]
    return b"".join(parts)


SAVE = command(b"RPUSH", b"chat:history:s", PAYLOAD)
PUBLISH = command(b"PUBLISH", b"chat:stream:s", PAYLOAD)


def pipelined(port: int, commands: int) -> None:
    """All on one connection, PIPELINE a round trip."""
    batch = (SAVE + PUBLISH) * (PIPELINE // 2)
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(commands // PIPELINE):
            client.sendall(batch)
            replies = 0
            while replies < PIPELINE:
                replies += client.recv(65_536).count(b"\n")


def one_by_one(port: int, commands: int) -> None:
    """On CONNECTIONS connections, each with one command under way."""
    left, selector = commands, selectors.DefaultSelector()
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            selector.register(client, selectors.EVENT_READ, (SAVE, PUBLISH)[number % 2])
            client.sendall(SAVE)
        while left > 0:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(4_096)
                key.fileobj.sendall(key.data)
                left -= 1


@contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    """A store on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [valkey_server(), "--port", str(port), "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            _until(lambda: b"PONG" in ask(port, b"PING"))
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def ask(port: int, *words: bytes) -> bytes:
    """The beginning of a reply; nothing while nobody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(command(*words))
            return client.recv(65_536)
    except OSError:
        return b""


@contextmanager
def watching(port: int, count: int) -> Iterator[None]:
    """So many of `chunk7 watch`, all at it."""
    words = ("watch", "--redis", f"redis://127.0.0.1:{port}", "--duration", "600", "--json")
    watchers = [
        subprocess.Popen(
            [sys.executable, "-m", "chunk7", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]
    try:
        _until(lambda: ask(port, b"CLIENT", b"LIST").count(b"cmd=monitor") == count)
        yield
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.wait()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come so far in 30 s")
        time.sleep(0.05)


def trial(port: int, process: psutil.Process, load: Load, commands: int, count: int) -> float:
    """Server CPU a command in microseconds, with so many watching."""
    with watching(port, count):
        before = process.cpu_times()
        load(port, commands)
        after = process.cpu_times()
    ask(port, b"FLUSHALL")
    cpu_s: float = after.user + after.system - before.user - before.system
    return cpu_s / commands * 1e6


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=100_000)
    args = parser.parse_args()
    print(HEAD)
    with server() as (port, process):
        for name, load, times in (("pipelined", pipelined, 3), ("one by one", one_by_one, 1)):
            commands = args.commands * times  # the system counts processor time in 10 ms
            load(port, commands // 10)  # warm
            trials: dict[int, list[float]] = {count: [] for count in MONITORS}
            for _ in range(args.rounds):
                for count in MONITORS:
                    trials[count].append(trial(port, process, load, commands, count))
            _print(name, trials)
    return 0


def _print(name: str, trials: dict[int, list[float]]) -> None:
    cpu_us = {count: statistics.median(found) for count, found in trials.items()}
    for count, cost_us in cpu_us.items():
        share = f"{cpu_us[0] / cost_us:.0%}"
        print(f"| {name} | {count} | {cost_us:.2f} | {1e6 / cost_us:,.0f} | {share} |")


if __name__ == "__main__":
    sys.exit(main())
