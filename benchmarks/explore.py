"""How fast `chunk7 explore` is, in several matrices, and in one cell beside a search by hand.

    python -m benchmarks.explore [--before DIR] [--rounds 3] [--json FILE]

Prints the rows of benchmarks/explore.md: CPU seconds of one process on one core, medians of the
rounds. `--before`: another checkout of chunk7, measured in turn. Each measurement is a process of
its own. The search by hand (benchmarks/explore_by_hand.py) knows one cell, takes turns with chunk7
there, and must find as many schedules, and as many that lose. It walks every schedule, as a first
search does, or remembers where it has been, as chunk7 does.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
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
BY_HAND = ("subscribe_then_history", "publish_then_save")
"""The cell that benchmarks/explore_by_hand.py knows."""
WALKED, REMEMBERED = "by hand, every schedule walked", "by hand, remembered"
CHUNKS = {3: (WALKED, REMEMBERED), 12: (REMEMBERED,)}
"""Of the cell by hand, and the ways that come to an end with so many."""
NOTE = (
    "by hand: benchmarks/explore_by_hand.py, which finds as many schedules and losses there, knows "
    "no other cell, and looks for nothing else"
)
LEAST_S = 0.5
"""A search is made again, from nothing, until it has taken so much processor time."""
Outcome = tuple[int, int, int]
"""(steps, schedules, losing ones) of a search."""


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


def explored_cell(chunks: int) -> Outcome:
    """What chunk7 finds in the cell; all steps count, also those of its counter-examples."""
    from chunk7.nodes.connect import CONNECT_ORDERINGS
    from chunk7.producer.write import WRITE_ORDERINGS
    from chunk7.simulator.explore.search import explore
    from chunk7.simulator.explore.state import ExploreCell

    connect, write = BY_HAND
    cell = ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write], chunks=chunks)
    found = explore(cell)
    assert found.search.complete
    return found.transitions, found.search.tally.schedules, found.search.tally.lossy


def searched_cell(chunks: int, way: str) -> Outcome:
    """What the search by hand finds there."""
    from benchmarks.explore_by_hand import search

    found = search(chunks, remember=way == REMEMBERED)
    return found.steps, found.schedules, found.losing


def timed(chunks: int, way: str) -> tuple[Outcome, float]:
    """What a way finds in the cell, and in how many CPU seconds, imports not counted."""
    work: Callable[[], Outcome] = partial(searched_cell, chunks, way)
    if way == "chunk7":
        work = partial(explored_cell, chunks)
        explored_cell(1)
    began, times = time.process_time(), 0
    while times == 0 or time.process_time() - began < LEAST_S:
        outcome, times = work(), times + 1
    return outcome, (time.process_time() - began) / times


def beside_hand(rounds: int) -> list[Any]:
    """Two `benchmarks.rows.Row` a number of chunks: steps a second, and seconds to the counts."""
    from benchmarks import rows

    found = []
    for chunks, ways in CHUNKS.items():
        rates: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        for _ in range(rounds):
            counts = set()
            for way in ("chunk7", *ways):
                command = [sys.executable, "-m", "benchmarks.explore", "--cell", str(chunks), way]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
                (steps, *counted), taken = json.loads(done.stdout)
                rates.setdefault(way, []).append(steps / taken)
                seconds.setdefault(way, []).append(taken)
                counts.add(tuple(counted))
            ((schedules, losing),) = counts  # all have found the same
        name = f"explore, {' x '.join(BY_HAND)}, {chunks} chunks"
        print(f"| {name} | {schedules:.3g}, {losing:.3g} lose |")
        for unit, each in (("steps/s", rates), ("ms", {w: _ms(t) for w, t in seconds.items()})):
            median, noise = rows.spread(each["chunk7"])
            peers = {way: rows.spread(each[way])[0] for way in ways}
            lower = unit == "ms"
            what = f"{name}: counted in" if lower else name
            found.append(rows.Row(what, unit, median, peers, None, lower, noise, NOTE))
    return found


def _ms(seconds: list[float]) -> list[float]:
    return [taken * 1e3 for taken in seconds]


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
    parser.add_argument("--cell", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cell:
        chunks, way = given.cell
        print(json.dumps(timed(int(chunks), way)))
        return
    if given.only:
        print(json.dumps(explored(MATRICES[given.only])))
        return
    found = [*measure(given.before, given.rounds), *beside_hand(given.rounds)]
    if given.json:
        from benchmarks import rows

        rows.write(given.json, found)


if __name__ == "__main__":
    main()
