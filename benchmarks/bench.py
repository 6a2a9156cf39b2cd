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

RESULTS = make_performance.RESULTS
WITHIN_S = 900.0
PARTS = {
    "relays": True,
    "load_generators": True,
    "analysis_scale": True,
    "simulate": True,
    "explore": True,
    "start_up": False,
    "end_to_end": False,
}
"""Modules beside this one, and whether they are told how many rounds, of all in turn."""


def measure(part: str, rounds: int, path: Path) -> list[rows.Row] | None:
    """Its rows, or None if it failed; what it says goes to our stdout and stderr."""
    told = ["--rounds", str(rounds)] if PARTS[part] else []
    command = [sys.executable, "-m", f"benchmarks.{part}", *told, "--json", str(path)]
    print(f"\n== {part}", flush=True)
    try:
        done = subprocess.run(command, cwd=rows.ROOT, timeout=WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else rows.read(path).rows


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
                found = measure(part, given.rounds, Path(scratch) / f"{part}.json")
                failed += [part] if found is None else []
                kept[part] = found or []
        parts = {part: kept.get(part, []) for part in PARTS}
        make_performance.write(RESULTS, parts, given.rounds)
    make_performance.main()
    for part in failed:
        sys.stderr.write(f"bench: {part} failed: its rows are missing\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
