"""chunk7's relay node beside the relays that others would build: CPU, delay, joins, memory.

    python -m benchmarks.relays [--rounds 3] [--relays NAME ...] [--json FILE]

Every relay is a process of its own in front of the same valkey-server, and does the same: a client
joins a session, gets its history, and then each payload that is published, unchanged. 200 clients
in 10 sessions. CPU is the relay's, user and kernel, all its threads; the relays take turns, each
round in a new process; medians of the rounds. Delays are from PUBLISH to the client's read.

alone      a PUBLISH every 2 ms, 20 clients each: every chunk is a store read of its own
together   20 chunks of a session in one write to the store, every 20 ms: one store read each
joins      300 clients come, 50 at a time; what one of them costs, as joins a second of a core
memory     RSS before anyone came, and what 1,000 idle clients, each in its session, add to it
"""

import argparse
import contextlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import redis

from benchmarks import relay_crowd, rows
from benchmarks.producer_rate import store
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.chunk import Chunk, history_key, stream_key
from chunk7.wire.frames import encode_chunk

PEERS = rows.ROOT / "build" / "peers"
SCRIPTS = Path(__file__).with_name("peers")
SESSIONS, CLIENTS, JOINS, IDLE = 10, 200, 300, 1_000
SAVED = 10
"""Chunks of history that a join reads."""
BATCHES, BATCH, BATCH_EVERY_S = 100, 20, 0.02
WITHIN_S = 60.0
TEXT = "a few words of text"

Command = tuple[str | bytes, ...]


def _publish(session: str, payload: bytes) -> Command:
    return ("PUBLISH", stream_key(session), payload)


def _publish_to_channels(session: str, payload: bytes) -> Command:
    """As `group_send` of channels_redis: a message as msgpack."""
    text = len(payload).to_bytes(2, "big") + payload
    message = b"\x82\xa4type\xa5chunk\xa5chunk\xda" + text
    return ("PUBLISH", f"asgi__group__chat.{session}", message)


def _emit(session: str, payload: bytes) -> Command:
    """As the redis-streams-adapter of another server writes a broadcast to a room."""
    data = b'{"opts":{"rooms":["%s"],"except":[],"flags":{}},"packet":{"type":2,"data":["chunk",'
    data = data % session.encode() + payload + b'],"nsp":"/"}}'
    fields = ("uid", "benchmark", "nsp", "/", "type", "3", "data", data)
    return ("XADD", "socket.io", "MAXLEN", "~", "10000", "*", *fields)


@dataclass(frozen=True)
class Relay:
    """How a relay is started, joined and published to.

    `less`: so many times fewer chunks are published, for those that could not keep up.
    """

    command: tuple[str, ...]
    client: relay_crowd.Client = relay_crowd.PLAIN
    publish: Callable[[str, bytes], Command] = _publish
    less: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    def missing(self) -> str | None:
        """What must be installed first; None if nothing."""
        if self.command[0] == "node":
            there = (PEERS / "node_modules").is_dir()
        else:
            there = os.access(self.command[0].format(peers=PEERS), os.X_OK)
        return None if there else f"{self.command[0].format(peers=PEERS)} is not installed"


def _uvicorn(app: str, less: int = 1, publish: Callable[[str, bytes], Command] = _publish) -> Relay:
    options = ("--port", "{port}", "--log-level", "error", "--ws-per-message-deflate", "false")
    return Relay(("{peers}/bin/uvicorn", app, *options), publish=publish, less=less)


NODE = ("-P", "-m", "chunk7.nodes", "--listen", "127.0.0.1:{port}", "--redis", "{store}")
RELAYS = {
    "chunk7": Relay(
        (sys.executable, *NODE, "--name", "n1", "--records", "{folder}/raw"), relay_crowd.OWN
    ),
    "picows": Relay(("{peers}/bin/python", "{scripts}/relay_picows.py")),
    "Node ws": Relay(("node", "{scripts}/relay_ws.js")),
    "socket.io": Relay(
        ("node", "{scripts}/relay_socketio.js"), relay_crowd.SOCKET_IO, publish=_emit
    ),
    "FastAPI shared": _uvicorn("relay_fastapi:shared"),
    "FastAPI as people write it": _uvicorn("relay_fastapi:plain", less=2),
    "broadcaster": _uvicorn("relay_broadcaster:app"),
    "Channels": _uvicorn("relay_channels:app", less=5, publish=_publish_to_channels),
}


@dataclass(frozen=True)
class Load:
    """So many chunks, one every so often, of sessions in turn, each to its share of the clients."""

    chunks: int = 1_000
    every_s: float = 0.002
    clients: int = CLIENTS
    sessions: int = SESSIONS


ALONE = Load()


@dataclass
class Found:
    """What one round found of one relay."""

    together_us: float = 0.0
    alone_us: float = 0.0
    p99_ms: float = 0.0
    joins: float = 0.0
    base_mib: float = 0.0
    idle_kib: float | None = None


# --- the processes ---


@contextlib.contextmanager
def running(relay: Relay, url: str) -> Iterator[tuple[psutil.Process, int]]:
    """The relay, ready, and its port."""
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("wb") as log:
        values = {"peers": PEERS, "scripts": SCRIPTS, "port": port, "store": url, "folder": folder}
        command = [word.format(**values) for word in relay.command]
        environment = {
            **os.environ,
            "PYTHONPATH": str(rows.ROOT if relay.client is relay_crowd.OWN else SCRIPTS),
            "PEERS": f"{PEERS}/package.json",
            "REDIS_URL": url,
            "PORT": str(port),
        }
        with subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
            try:
                deadline_s = time.monotonic() + WITHIN_S
                while not accepts(port):
                    if process.poll() is not None or time.monotonic() > deadline_s:
                        raise RuntimeError(Path(folder, "log").read_text()[-1_000:])
                    time.sleep(0.02)
                yield psutil.Process(process.pid), port
            finally:
                process.kill()


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def cpu_s(process: psutil.Process) -> float:
    """Processor time of all its threads, in s, by the nanosecond: the kernel's ticks are 10 ms."""
    tasks = Path(f"/proc/{process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


@contextlib.contextmanager
def crowd(relay: Relay, port: int) -> Iterator["Crowd"]:
    """The clients' process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=relay_crowd.serve, args=(relay.client, port, theirs))
    process.start()
    try:
        yield Crowd(ours)
    finally:
        ours.close()
        process.join(5)
        process.kill()


@dataclass(frozen=True)
class Crowd:
    """What the clients' process is asked; each question has an answer."""

    pipe: Connection

    def ask(self, *question: object) -> object:
        """Raises RuntimeError when no answer comes."""
        self.pipe.send(question)
        if not self.pipe.poll(WITHIN_S):
            raise RuntimeError(f"the clients did not answer {question}")
        return self.pipe.recv()

    def received(self, expected: int) -> int:
        """Wait until so many chunks came, or none more do; how many came."""
        before, deadline_s = -1, time.monotonic() + WITHIN_S
        while time.monotonic() < deadline_s:
            came = int(str(self.ask("received")))
            if came >= expected or came == before:
                return came
            before = came
            time.sleep(0.2)
        return before


# --- one round ---


def measure(relay: Relay, url: str, with_idle: bool) -> Found:
    """Everything of one relay, in a new process."""
    found = Found()
    with redis.Redis.from_url(url) as publisher, running(relay, url) as (process, port):
        publisher.flushall()
        for number in range(SESSIONS):
            saved = [_chunk(f"s{number}", seq) for seq in range(1, SAVED + 1)]
            publisher.rpush(history_key(f"s{number}"), *saved)
        with crowd(relay, port) as clients:
            clients.ask("join", 20, SESSIONS, "s")  # imports and first-time costs
            found.joins = 1 / _cost(process, lambda: _come(clients, JOINS))
            clients.ask("leave")
        with crowd(relay, port) as clients:
            clients.ask("join", CLIENTS, SESSIONS, "s")
            found.alone_us = 1e6 * _cost(process, lambda: alone(relay, publisher, clients))
            found.p99_ms = float(str(clients.ask("p99_ms")))
            found.together_us = 1e6 * _cost(process, lambda: _together(relay, publisher, clients))
    with running(relay, url) as (process, port), crowd(relay, port) as clients:
        time.sleep(0.5)
        found.base_mib = process.memory_info().rss / 2**20
        if with_idle:
            clients.ask("join", 50, 50, "warm")
            before = process.memory_info().rss
            clients.ask("join", IDLE, IDLE, "idle")
            found.idle_kib = (process.memory_info().rss - before) / IDLE / 2**10
    return found


def _cost(process: psutil.Process, work: Callable[[], int]) -> float:
    """CPU seconds of the process for each of what the work counts."""
    began = cpu_s(process)
    count = work()
    return (cpu_s(process) - began) / count


def _come(clients: Crowd, count: int) -> int:
    clients.ask("join", count, SESSIONS, "s")
    return count


def alone(relay: Relay, publisher: "redis.Redis", clients: Crowd, load: Load = ALONE) -> int:
    """Publish chunk after chunk, and see all of them come; how many deliveries that were."""
    chunks = load.chunks // relay.less
    clients.ask("clear")
    began_s = time.monotonic()
    for number in range(chunks):
        due_s = began_s + number * load.every_s * relay.less
        time.sleep(max(0.0, due_s - time.monotonic()))
        session = f"s{number % load.sessions}"
        publisher.execute_command(*relay.publish(session, _chunk(session, number)))
    return _complete(clients, chunks * load.clients // load.sessions)


def _together(relay: Relay, publisher: "redis.Redis", clients: Crowd) -> int:
    batches = BATCHES // relay.less
    clients.ask("clear")
    began_s = time.monotonic()
    for number in range(batches):
        due_s = began_s + number * BATCH_EVERY_S * relay.less
        time.sleep(max(0.0, due_s - time.monotonic()))
        session = f"s{number % SESSIONS}"
        pipeline = publisher.pipeline(transaction=False)
        for seq in range(BATCH):
            pipeline.execute_command(*relay.publish(session, _chunk(session, seq)))
        pipeline.execute()
    return _complete(clients, batches * BATCH * CLIENTS // SESSIONS)


def _complete(clients: Crowd, expected: int) -> int:
    came = clients.received(expected)
    if came != expected:
        raise RuntimeError(f"{came} of {expected} deliveries came")
    return came


def _chunk(session: str, seq: int) -> bytes:
    return encode_chunk(Chunk(session, str(time.monotonic_ns()), seq, TEXT, seq=seq))


# --- the comparison ---


def compare(names: Sequence[str], rounds: int) -> tuple[dict[str, list[Found]], list[str]]:
    """The rounds of each relay that is installed and works, and why others have none."""
    found: dict[str, list[Found]] = defaultdict(list)
    silent = {name: why for name in names if (why := RELAYS[name].missing())}
    with store() as url:
        for number in range(rounds):
            for name in names:
                if name in silent:
                    continue
                try:
                    found[name].append(measure(RELAYS[name], url, with_idle=not number))
                except (RuntimeError, EOFError) as error:
                    silent[name] = str(error).strip().splitlines()[-1]
                    if name == "chunk7":
                        raise
    return found, [f"{name}: {why}" for name, why in silent.items()]


MEASURES = (
    ("relay, chunks together (20 a store read)", "us", "together_us", 1.5, True),
    ("relay, chunks alone", "us", "alone_us", 5.5, True),
    ("relay, chunks alone: p99 from PUBLISH to the client", "ms", "p99_ms", None, True),
    ("joins/s of a node core", "1/s", "joins", 2_000, False),
    ("node memory, base", "MiB", "base_mib", 50, True),
    ("node memory, an idle client", "KiB", "idle_kib", 10, True),
)


def as_rows(found: dict[str, list[Found]], silent: Sequence[str]) -> Iterator[rows.Row]:
    """A row a measure."""
    for what, unit, name, target, lower in MEASURES:
        of = {
            relay: [value for one in taken if (value := getattr(one, name)) is not None]
            for relay, taken in found.items()
        }
        ours, noise = rows.spread(of.pop("chunk7"))
        peers = {relay: statistics.median(values) for relay, values in of.items()}
        note = "; ".join(silent)
        yield rows.Row(what, unit, ours, peers, target, lower, noise, note)


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Measure all in turn, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--relays", nargs="+", choices=RELAYS, default=[*RELAYS])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    found, silent = compare(["chunk7", *(n for n in given.relays if n != "chunk7")], given.rounds)
    measured = [*as_rows(found, silent)]
    print(rows.table(measured))
    if given.json:
        rows.write(given.json, measured)
    return measured


if __name__ == "__main__":
    main()
