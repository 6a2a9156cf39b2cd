"""chunk7's load-test user beside the load generators that others would use: CPU and memory.

    python -m benchmarks.load_generators [--rounds 3] [--json FILE]

The loads are those of benchmarks/websocket_user.py: a server in a process of its own sends the same
chunks to each client; every client decodes each chunk and checks for gaps, chunk7's also takes its
digest and records a receipt, and the usual Locust user fires one request event a chunk. CPU is the
client process's own; clients take turns, each round in a new process; medians of the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import rows
from benchmarks import websocket_user as ours

PEERS = rows.ROOT / "build" / "peers"
SCRIPTS = Path(__file__).with_name("peers")
WITHIN_S = 120.0
PLAN = {
    "trickle_connections": ours.TRICKLE_CONNECTIONS,
    "trickle_chunks": ours.TRICKLE_CHUNKS,
    "trickle_interval_s": ours.TRICKLE_INTERVAL_S,
    "burst_chunks": ours.BURST_CHUNKS,
    "burst_size": ours.BURST_SIZE,
    "connects": ours.CONNECTS,
    "idle": 300,
}
THIS = ours.THIS
CLIENTS: dict[str, tuple[str, ...]] = {
    "chunk7": (*THIS, "chunk7, verified"),
    "Locust, websocket-client, an event a chunk": (*THIS, "websocket-client, Locust event"),
    "picows": (f"{PEERS}/bin/python", f"{SCRIPTS}/load_picows.py"),
    "Node ws": ("node", f"{SCRIPTS}/load_ws.js"),
    "Artillery": ("node", f"{SCRIPTS}/load_artillery.js"),
}
MEASURES = (
    ("load generator, a verified chunk that comes alone", "us", "trickle_us", 22.0, True),
    ("load generator, chunks together (20 a read)", "us", "burst_us", None, True),
    ("connections/s of a load-generator core", "1/s", "connections", 2_000.0, False),
    ("load generator memory, base", "MiB", "base_mib", 90.0, True),
    ("load generator memory, a connection", "KiB", "idle_kib", 8.0, True),
)
Found = dict[str, float]


def missing(name: str) -> str | None:
    """What must be installed before a client can be measured; None if nothing."""
    program = CLIENTS[name][0]
    needed = PEERS / "node_modules" if program == "node" else Path(program)
    there = os.access(needed, os.X_OK)
    return None if there else f"{name}: {program} is not installed"


def measure(name: str, port: str) -> Found:
    """One round of one client. Raises RuntimeError with the last line that it said."""
    plan = [] if CLIENTS[name][: len(THIS)] == THIS else [json.dumps(PLAN)]
    environment = {**os.environ, "PEERS": f"{PEERS}/package.json"}
    done = subprocess.run(
        [*CLIENTS[name], port, *plan],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    found["connections"] = 1e3 / found.pop("connect_ms")
    return found


def compare(rounds: int) -> tuple[dict[str, list[Found]], list[str]]:
    """The rounds of each client that is installed and works, and why others have none."""
    found: dict[str, list[Found]] = defaultdict(list)
    silent = {name: why for name in CLIENTS if (why := missing(name))}
    with ours.serving() as port:
        for _ in range(rounds):
            for name in [name for name in CLIENTS if name not in silent]:
                try:
                    found[name].append(measure(name, port))
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    if name == "chunk7":
                        raise
                    silent[name] = str(error)
    return found, [*silent.values()]


def as_rows(found: dict[str, list[Found]], silent: Sequence[str]) -> Iterator[rows.Row]:
    """A row a measure; a client without it is not in it."""
    for what, unit, key, target, lower in MEASURES:
        of = {
            name: values
            for name, taken in found.items()
            if (values := [one[key] for one in taken if key in one])
        }
        if "chunk7" in of:
            median, noise = rows.spread(of.pop("chunk7"))
            peers = {name: statistics.median(of[name]) for name in CLIENTS if name in of}
            yield rows.Row(what, unit, median, peers, target, lower, noise, "; ".join(silent))


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Measure all in turn, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    measured = [*as_rows(*compare(given.rounds))]
    print(rows.table(measured))
    if given.json:
        rows.write(given.json, measured)
    return measured


if __name__ == "__main__":
    main()
