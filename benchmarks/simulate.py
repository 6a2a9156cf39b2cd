"""Connections a second, and peak memory, of both engines; prints the table of simulate.md.

    python -m benchmarks.simulate [--events N] [--vectorised N]

Every measurement has a process of its own, so that its peak memory is its own. Three rounds each;
the table has the best, because whatever else the machine does can only slow a round down.
"""

import argparse
import multiprocessing
import platform
import resource
import time
from multiprocessing.connection import Connection

import numpy as np

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
ROUNDS = 3
MIB = 1024


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, metavar="N")
    parser.add_argument("--vectorised", type=int, default=10_000_000, metavar="N")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}\n")
    for engine, connections in (
        (Engine.EVENTS, args.events),
        (Engine.VECTORISED, args.vectorised),
    ):
        print(f"{engine}, {connections:,} connections\n")
        print("| connect | write | durations | connections/s | peak memory, MiB |")
        print("|---|---|---|---:|---:|")
        for kind in DURATIONS:
            for connect, write in CELLS:
                rounds = [
                    measured(engine, connections, connect, write, kind) for _ in range(ROUNDS)
                ]
                seconds, peak = min(rounds)
                rate = f"{connections / seconds:,.0f}"
                print(f"| {connect} | {write} | {kind} | {rate} | {peak:.0f} |", flush=True)
        print()


def measured(
    engine: Engine, connections: int, connect: str, write: str, kind: str
) -> tuple[float, float]:
    """(seconds, peak MiB) of one cell in a process of its own."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    settings = SimulationSettings(engine=engine, connections=connections, **DURATIONS[kind])
    process = multiprocessing.get_context("spawn").Process(
        target=_measure, args=(settings, connect, write, theirs)
    )
    process.start()
    try:
        if not ours.poll(600):
            raise SystemExit(f"{connect} x {write}: no result within 600 s")
        seconds, peak = ours.recv()
    finally:
        process.terminate()
        process.join()
    return float(seconds), float(peak)


def _measure(settings: SimulationSettings, connect: str, write: str, result: Connection) -> None:
    began = time.perf_counter()
    simulate(settings, CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write])
    seconds = time.perf_counter() - began
    result.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB))


if __name__ == "__main__":
    main()
