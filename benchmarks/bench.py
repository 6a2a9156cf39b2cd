"""Every measurement of speed, one after the other: `make bench`.

    python -m benchmarks.bench [--rounds 3] [--only NAME ...] [--draw]

Each is a program of its own (PARTS); its rows go into benchmarks/results.json in the place of those
that it left the last time, and docs/performance.md and its picture are written anew from that file.
One that fails leaves its old rows out, is named at the end, and makes the exit code 1.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import rows
from docs import make_performance
from docs.make_performance import Measured

RESULTS = make_performance.RESULTS
WITHIN_S = 1_800.0
PARTS = (
    "relays",
    "load_generators",
    "analysis_scale",
    "simulate",
    "explore",
    "start_up",
    "end_to_end",
    "growth",
)
"""Modules beside this one."""


def measure(part: str, rounds: int, path: Path) -> Measured | None:
    """What it has measured, or None if it failed; what it says goes to our stdout and stderr."""
    told = ("--rounds", str(rounds), "--json", str(path))
    command = [sys.executable, "-m", f"benchmarks.{part}", *told]
    print(f"\n== {part}", flush=True)
    try:
        done = subprocess.run(command, cwd=rows.ROOT, timeout=WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    return Measured(rounds, rows.read(path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, keep, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS], metavar="NAME")
    parser.add_argument("--draw", action="store_true", help="measure nothing: page and picture")
    given = parser.parse_args(arguments)
    failed: list[str] = []
    if not given.draw:
        kept = make_performance.read(RESULTS)
        with tempfile.TemporaryDirectory() as scratch:
            for part in given.only:
                kept.pop(part, None)
                found = measure(part, given.rounds, Path(scratch) / f"{part}.json")
                if found is None:
                    failed.append(part)
                else:
                    kept[part] = found
        make_performance.write(RESULTS, {part: kept[part] for part in PARTS if part in kept})
    make_performance.main()
    for part in failed:
        sys.stderr.write(f"bench: {part} failed: its rows are missing\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
