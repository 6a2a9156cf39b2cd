"""How the cost of each part grows: with connections, chunk rate, nodes and receipts.

    python -m benchmarks.growth [--rounds 3] [--only NAME ...] [--short] [--json FILE]

The total cost of each size is measured, each time in new processes, the sizes in turn; of them the
exponents are (benchmarks/exponents.py), and docs/performance.md says whether one is above 1.
CPU is that of all threads of the processes named.

node           one relay node for 2 s, as benchmarks/relays.py has it: chunks that come alone
load generator one process of chunk7's users for 2 s, as benchmarks/websocket_user.py has it
nodes          nodes, store and nginx together, the same clients and chunks for all
judging        load, judge, law, quantiles and validity of a run folder, as analysis_scale.py;
               `--short` leaves more than 10 million receipts out: 1 GB of disk and two minutes
simulating     the two engines, as benchmarks/simulate.py has it
"""

import argparse
import contextlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import redis

from benchmarks import analysis_scale, exponents, relays, rows, simulate
from benchmarks import websocket_user as user
from benchmarks.real_parts import HOST, real_node, real_store
from chunk7.cluster.deployments.probes import free_ports
from chunk7.cluster.deployments.proxy import nginx_command
from chunk7.simulator.virtual.settings import Engine

Costs = dict[str, float]
"""By unit."""
RECEIPTS = (10**5, 316_000, 10**6, 3_160_000, 10**7, 31_600_000, 10**8)
SECONDS = 2.0
NODE = relays.RELAYS["chunk7"]
CHUNK_RATE, CLIENTS = 200, 200
"""Chunks a second of all sessions while connections grow; connections while chunks do."""
SESSIONS = 9
"""Before several nodes: nginx's round must bring clients of each session to each node."""
USERS, USER_RATE = 100, 20
"""Connections of the load generator while chunks grow; chunks a second of each while these do."""
START_WITHIN_S = 20.0


@dataclass(frozen=True)
class Series:
    """A part, what of its load grows, the sizes (the last is the largest), and what one costs."""

    part: str
    by: str
    sizes: tuple[int, ...]
    measure: Callable[[int], Costs]


# --- a node, and several of them ---


def load(clients: int, chunk_rate: int, sessions: int = relays.SESSIONS) -> relays.Load:
    """So much for SECONDS."""
    return relays.Load(round(SECONDS * chunk_rate), 1 / chunk_rate, clients, sessions)


def node(of: relays.Load) -> Costs:
    """CPU of one node while it delivers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        real_store(Path(folder)) as store,
        real_node(store.url, Path(folder)) as one,
    ):
        return relayed([one.process], one.port, store.url, of)


def cluster(nodes: int) -> Costs:
    """CPU of all nodes, the store and nginx while they deliver."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(real_store(folder))
        ours = [
            stack.enter_context(real_node(store.url, folder, name=f"n{number}"))
            for number in range(nodes)
        ]
        port, nginx = stack.enter_context(proxy(folder, [one.port for one in ours]))
        processes = [store.process, *(one.process for one in ours), *nginx]
        return relayed(processes, port, store.url, load(40 * SESSIONS, CHUNK_RATE, SESSIONS))


@contextlib.contextmanager
def proxy(folder: Path, ports: Sequence[int]) -> Iterator[tuple[int, list[psutil.Process]]]:
    """nginx before the nodes: its port, and its processes."""
    [port] = free_ports(1)
    nodes = [(HOST, node_port) for node_port in ports]
    command = nginx_command(folder / "nginx", (HOST, port), nodes, 1_000)
    with (folder / "nginx.log").open("wb") as log:
        process = psutil.Popen(command, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + START_WITHIN_S
        while not relays.accepts(port):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((folder / "nginx.log").read_text()[-500:])
            time.sleep(0.02)  # poll, bounded by the deadline
        yield port, [process, *process.children()]
    finally:
        process.terminate()
        process.wait(START_WITHIN_S)


def relayed(processes: Sequence[psutil.Process], port: int, url: str, of: relays.Load) -> Costs:
    """CPU of the processes from the first chunk to the last delivery."""
    with redis.Redis.from_url(url) as publisher, relays.crowd(NODE, port) as clients:
        clients.ask("join", of.clients, of.sessions, "s")
        before_s = sum(map(relays.cpu_s, processes))
        relays.alone(NODE, publisher, clients, of)
        return {"s": sum(map(relays.cpu_s, processes)) - before_s}


# --- the others ---


def users(connections: int, chunk_rate: int) -> Costs:
    """CPU of a load generator's process, connecting included."""
    with user.serving() as port:
        load = connections, round(SECONDS * chunk_rate), 1 / chunk_rate
        return {"s": float(user.alone(user.TRICKLE, port, *map(str, load)))}


def judging(scratch: Path, receipts: int) -> Costs:
    """CPU and peak memory of a process that judges a run folder, made where it is missing."""
    found = json.loads(analysis_scale.measured(analysis_scale.run_folder(scratch, receipts)))
    return {"s": found["cpu_s"], "MiB": found["peak_kib"] / 1024}


def simulating(engine: Engine) -> Callable[[int], Costs]:
    """CPU of a process that simulates so many connections of the cell of the bug."""
    return lambda connections: {"s": simulate.measured(engine, connections, *simulate.THE_BUG)[0]}


def all_series(scratch: Path, short: bool) -> list[Series]:
    """What is measured; `scratch` is for run folders."""
    judged = partial(judging, scratch)
    return [
        Series("a node", "connections", times(100), lambda n: node(load(n, CHUNK_RATE))),
        Series("a node", "chunks/s", times(100), lambda n: node(load(CLIENTS, n))),
        Series("load generator", "connections", times(50), lambda n: users(n, USER_RATE)),
        Series("load generator", "chunks/s each", times(5), lambda n: users(USERS, n)),
        Series("nodes, store, nginx", "nodes", (1, 2, 4, 8), cluster),
        Series("judging", "receipts", RECEIPTS[: -2 if short else None], judged),
        Series("simulating, events", "connections", times(100_000), simulating(Engine.EVENTS)),
        Series(
            "simulating, vectorised", "connections", times(10**6), simulating(Engine.VECTORISED)
        ),
    ]


def times(one: int) -> tuple[int, ...]:
    """From one time to ten times so much."""
    return tuple(one * more for more in (1, 2, 5, 10))


def measure(series: Series, rounds: int) -> list[rows.Row]:
    """A row a unit: the cost of the largest size, and all that was measured."""
    points: dict[str, list[exponents.Point]] = defaultdict(list)
    for _ in range(rounds):
        for size in series.sizes:
            for unit, cost in series.measure(size).items():
                points[unit].append((float(size), cost))
    return [as_row(series, unit, found) for unit, found in points.items()]


def as_row(series: Series, unit: str, points: list[exponents.Point]) -> rows.Row:
    """The row of what was measured in one unit."""
    largest = series.sizes[-1]
    median, noise = rows.spread([cost for size, cost in points if size == largest])
    what = f"{series.part}: {'memory' if unit == 'MiB' else 'CPU'} by {series.by}"
    return rows.Row(what, unit, median, noise=noise, points=points)


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Measure all in turn, print what grows how, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts by their first words")
    parser.add_argument(
        "--short", action="store_true", help="judge no more than 10 million receipts"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    measured = []
    with tempfile.TemporaryDirectory() as scratch:
        for series in all_series(Path(scratch), given.short):
            if not given.only or series.part.startswith(tuple(given.only)):
                found = measure(series, given.rounds)
                print(*map(said, found), sep="\n", flush=True)
                measured += found
    if given.json:
        rows.write(given.json, measured, ["scipy"])
    return measured


def said(row: rows.Row) -> str:
    """A line for whoever waits."""
    cost = f"{row.points[0][1]:.3g} to {row.chunk7:.3g} {row.unit}"
    return f"{row.what}: {cost}, {exponents.exponent(row.points)}, {exponents.growth(row.points)}"


if __name__ == "__main__":
    main()
