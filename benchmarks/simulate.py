"""Connections a second of `simulate` beside SimPy, and peak memory; the tables of simulate.md.

    python -m benchmarks.simulate [--events N] [--vectorised N] [--rounds 3] [--json FILE]

Every measurement has a process of its own, so that its peak memory is its own, and counts its CPU
time from the imports on. The cells and the peers take turns, round by round; medians of the rounds.
SimPy runs in the Python of `make peers`. Growth: one cell a hundred times as large.
"""

import argparse
import json
import math
import multiprocessing
import os
import resource
import statistics
import subprocess
import time
from collections import defaultdict
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import rows
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.virtual.distributions import Constant, LogNormal
from chunk7.simulator.virtual.settings import Engine, SimulationSettings
from chunk7.simulator.virtual.simulate import simulate

CELLS = (
    ("history_then_subscribe", "publish_then_save"),
    ("subscribe_then_history", "publish_then_save"),
    ("sequence_gap_fill", "publish_then_save"),
    ("buffered_merge", "atomic_lua"),
    ("redis_streams", "stream_append"),
)
DURATIONS = {
    "constant": {
        "store_latency": Constant(0.5), "node_work": Constant(10), "save_lag": Constant(5),
    },
    "lognormal": {
        "store_latency": LogNormal(0.5, 0.5),
        "node_work": LogNormal(10, 0.5),
        "save_lag": LogNormal(5, 0.5),
    },
}  # fmt: skip
THE_BUG = (*CELLS[0], "lognormal")
"""The cell that the peers simulate, and that grows."""

PEER = Path(__file__).with_name("peers") / "simulate_simpy.py"
PEERS = {"SimPy, every command an event": ("commands", 640), "SimPy, joins": ("joins", 50_000)}
TARGETS = {Engine.EVENTS: (130_000, None), Engine.VECTORISED: (10_000_000, 5_000_000)}
"""Connections a second: of the cells' median, of the slowest cell."""
WITHIN_S = 600
MIB = 1024

Cell = tuple[str, str, str]
"""Connect ordering, write ordering, durations."""


def main() -> None:
    """Measure, print Markdown, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, metavar="N")
    parser.add_argument("--vectorised", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    given = parser.parse_args()
    sizes = {Engine.EVENTS: given.events, Engine.VECTORISED: given.vectorised}
    print(f"{rows.machine()}; {rows.versions()}\n")
    found: list[rows.Row] = []
    for engine, connections in sizes.items():
        found += measured_cells(engine, connections, given.rounds)
        print(f"growth, exponent of the time: {exponent(engine, connections // 20):.2f}\n")
    if given.json:
        rows.write(given.json, found)


def measured_cells(engine: Engine, connections: int, rounds: int) -> list[rows.Row]:
    """The rows of an engine: the cells' median, the slowest, each cell's. Peers go by events."""
    cells = [(*pair, kind) for kind in DURATIONS for pair in CELLS]
    rates: dict[Cell, list[float]] = defaultdict(list)
    peaks: dict[Cell, float] = defaultdict(float)
    peer_rates: dict[str, list[float]] = defaultdict(list)
    for seed in range(rounds):
        for name in PEERS if engine is Engine.EVENTS else ():
            peer_rates[name] += peer_rate(name, seed)
        for cell in cells:
            seconds, peak = measured(engine, connections, *cell)
            rates[cell].append(connections / seconds)
            peaks[cell] = max(peaks[cell], peak)
    peers = {name: statistics.median(found) for name, found in peer_rates.items() if found}
    print(f"{engine}, {connections:,} connections\n")
    print("| connect | write | durations | connections/s | noise | peak memory, MiB |")
    print("|---|---|---|---:|---:|---:|")
    found = []
    for cell in cells:
        median, noise = rows.spread(rates[cell])
        name = f"simulate, {engine}: {cell[0]}, {cell[2]}"
        found.append(_row(name, median, noise, peers=peers if cell == THE_BUG else {}))
        print(f"| {' | '.join(cell)} | {median:,.0f} | {noise:.0%} | {peaks[cell]:.0f} |")
    typical, least = TARGETS[engine]
    middle = statistics.median(row.chunk7 for row in found)
    slowest = min(found, key=lambda row: row.chunk7)
    noise = statistics.median(row.noise for row in found)
    note = "" if engine is Engine.VECTORISED else _note(peers)
    for name, rate in peers.items():
        print(f"| {name} | {THE_BUG[1]} | {THE_BUG[2]} | {rate:,.0f} | | |")
    print(f"\nmedian {middle:,.0f}, slowest {slowest.chunk7:,.0f}\n", flush=True)
    return [
        _row(f"simulate, {engine}", middle, noise, typical, peers, note),
        _row(f"simulate, {engine}, slowest cell", slowest.chunk7, slowest.noise, least),
        *found,
    ]


def _row(
    what: str,
    rate: float,
    noise: float,
    target: float | None = None,
    peers: dict[str, float] | None = None,
    note: str = "",
) -> rows.Row:
    return rows.Row(
        what,
        "connections/s",
        rate,
        peers or {},
        target=target,
        lower_is_better=False,
        noise=noise,
        note=note,
    )


def _note(peers: dict[str, float]) -> str:
    """What a reader must know of the peers."""
    if not peers:
        return f"{_python()} is not installed (make peers)"
    return "SimPy simulates history_then_subscribe x publish_then_save, lognormal, and no other"


def measured(
    engine: Engine, connections: int, connect: str, write: str, kind: str
) -> tuple[float, float]:
    """(CPU seconds, peak MiB) of one cell in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    settings = SimulationSettings(engine=engine, connections=connections, **DURATIONS[kind])
    process = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(settings, connect, write, theirs)
    )
    process.start()
    try:
        if not ours.poll(WITHIN_S):
            raise SystemExit(f"{connect} x {write}: no result within {WITHIN_S} s")
        seconds, peak = ours.recv()
    finally:
        process.terminate()
        process.join()
    return float(seconds), float(peak)


def _measure(settings: SimulationSettings, connect: str, write: str, result: Connection) -> None:
    orderings = CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]
    simulate(replace(settings, connections=1), *orderings)  # which imports what is imported late
    began = time.process_time()
    simulate(settings, *orderings)
    seconds = time.process_time() - began
    result.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB))


def exponent(engine: Engine, connections: int) -> float:
    """Of the time, from so many connections to a hundred times as many: 1 is linear."""
    small, _ = measured(engine, connections, *THE_BUG)
    large, _ = measured(engine, 100 * connections, *THE_BUG)
    return math.log(large / small, 100)


def peer_rate(name: str, seed: int) -> list[float]:
    """Connections a second of one round; empty where it is not installed."""
    if not os.access(_python(), os.X_OK):
        return []
    model, connections = PEERS[name]
    command = [_python(), str(PEER), model, str(connections), str(seed)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=WITHIN_S)
    return [connections / json.loads(done.stdout)["seconds"]]


def _python() -> str:
    default = rows.ROOT / "build" / "peers" / "bin" / "python"
    return os.environ.get("CHUNK7_PEERS_PYTHON", str(default))


if __name__ == "__main__":
    main()
