"""How fast `chunk7 explore` is: the default matrix, with faults, with two clients.

    python -m benchmarks.explore [--before DIR] [--rounds 3] [--json FILE]

Prints the rows of benchmarks/explore.md: CPU seconds of one process on one core, medians of the
rounds. `--before`: another checkout of chunk7, measured in turn. Each measurement is a process of
its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FIVE = ("node_kill", "store_restart", "store_kill_pubsub", "trim", "stale_read")
MATRICES: dict[str, dict[str, Any]] = {
    "3 chunks, 1 client: the default": {},
    "3 chunks, 1 client, store_kill_pubsub may strike": {"faults": ("store_kill_pubsub",)},
    "1 chunk, 1 client, five faults may strike": {"chunks": 1, "faults": FIVE},
    "2 chunks, 2 clients, no early heartbeat": {"chunks": 2, "joiners": 2, "early_beats": 0},
    "2 chunks, 2 clients": {"chunks": 2, "joiners": 2},
}
TARGET = 300_000
"""Steps a second of a core."""


def explored(options: dict[str, Any]) -> tuple[int, int, float]:
    """(steps, schedules, CPU seconds) of all cells that pair, under the same options."""
    from chunk7.delivery.ordering import pair
    from chunk7.nodes.connect import CONNECT_ORDERINGS
    from chunk7.producer.write import WRITE_ORDERINGS
    from chunk7.simulator.explore.search import SearchLimits, explore
    from chunk7.simulator.explore.state import ExploreCell

    cells = [
        ExploreCell(connect, write, **options)
        for connect in CONNECT_ORDERINGS.values()
        for write in WRITE_ORDERINGS.values()
        if pair(connect, write)
    ]
    began = time.process_time()
    found = [explore(cell, SearchLimits(max_schedules=10**9, max_seconds=3_600)) for cell in cells]
    seconds = time.process_time() - began
    assert all(result.search.complete for result in found)
    schedules = sum(result.search.tally.schedules for result in found)
    return sum(result.transitions for result in found), schedules, seconds


def _elsewhere(name: str, checkout: Path) -> tuple[int, int, float]:
    """The same with the code of a checkout, in a process of its own."""
    command = [sys.executable, "-P", __file__, "--only", name]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    steps, schedules, seconds = json.loads(done.stdout)
    return steps, schedules, seconds


def measure(before: Path | None, rounds: int) -> list[Any]:
    """A `benchmarks.rows.Row` a matrix; prints a line of the table for each."""
    from benchmarks import rows

    checkouts = {"chunk7": ROOT, **({"before": before} if before else {})}
    print("| what | schedules | steps | steps/s | before |\n|---|---|---|---|---|")
    found = []
    for name in MATRICES:
        rates: dict[str, list[float]] = {of: [] for of in checkouts}
        covered: set[tuple[int, int]] = set()
        for _ in range(rounds):
            for of, checkout in checkouts.items():
                steps, schedules, seconds = _elsewhere(name, checkout)
                rates[of].append(steps / seconds)
                covered.add((steps, schedules))
        ((steps, schedules),) = covered  # the same counts, before and after
        median, noise = rows.spread(rates.pop("chunk7"))
        peers = {of: rows.spread(each)[0] for of, each in rates.items()}
        told = "".join(f"{rate:,.0f}" for rate in peers.values())
        print(f"| {name} | {schedules:.3g} | {steps:,} | {median:,.0f} ({noise:.0%}) | {told} |")
        found.append(rows.Row(f"explore, {name}", "steps/s", median, peers, TARGET, False, noise))
    return found


def main() -> None:
    """Measure, print a table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", choices=MATRICES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        print(json.dumps(explored(MATRICES[given.only])))
        return
    found = measure(given.before, given.rounds)
    if given.json:
        from benchmarks import rows

        rows.write(given.json, found)


if __name__ == "__main__":
    main()
