"""How long commands take to begin: processor time, and of a run when its first table is there.

    python -m benchmarks.start_up [--rounds 5] [--runs 3] [--json FILE]

Processor time is user and system of the whole process, beside that of a bare Python and of one that
imports argparse. A run is `chunk7 run` of one cell, with its own store, proxy, nodes and Locust;
of the time until its table, `Plan`'s own instants (the lead, the cell, the quiet time) are no work.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row, machine, spread, versions, write
from chunk7.wire.plan import Cell, Plan

PYTHON, CHUNK7 = (sys.executable, "-P"), (sys.executable, "-P", "-m", "chunk7")
BARE = {
    "python -c pass": (*PYTHON, "-c", "pass"),
    "import argparse": (*PYTHON, "-c", "import argparse"),
}
COMMANDS = {
    "chunk7 --help": ((*CHUNK7, "--help"), 0.15),
    "chunk7 explore": ((*CHUNK7, "explore"), 0.6),
}
"""With their targets, in s."""
CELL = Cell("history_then_subscribe", "publish_then_save")
TABLE_S = 8.0


def main() -> None:
    """Measure, print Markdown, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    given = parser.parse_args()
    print(f"{machine()}; {versions()}; load {os.getloadavg()[0]:.1f}\n")
    found = [*starts(given.rounds), *([first_table(given.runs)] if given.runs else [])]
    print("| what | s | noise | target |\n|---|---:|---:|---:|")
    for row in found:
        print(f"| {row.what} | {row.chunk7:.3f} | {row.noise:.0%} | {row.target:g} |")
        for peer, seconds in row.peers.items():
            print(f"| {peer} | {seconds:.3f} | | |")
    if given.json:
        write(given.json, found)


def starts(rounds: int) -> list[Row]:
    """A row a command; all of them in turn."""
    every = BARE | {name: command for name, (command, _) in COMMANDS.items()}
    taken: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, command in every.items():
            taken[name].append(cpu_s(command))
    bare = {name: spread(taken[name])[0] for name in BARE}
    return [_row(name, taken[name], bare, target) for name, (_, target) in COMMANDS.items()]


def _row(what: str, taken: list[float], bare: dict[str, float], target: float) -> Row:
    median, noise = spread(taken)
    return Row(f"{what}, CPU", "s", median, bare, target, noise=noise)


def cpu_s(command: tuple[str, ...]) -> float:
    """User and system time of a process."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system


def first_table(runs: int) -> Row:
    """From the command to the line of the first cell, wall time."""
    median, noise = spread([table_s() for _ in range(runs)])
    plan = Plan(run="one", cells=[CELL])
    note = f"of it {plan.end_ms / 1e3:.1f} s are the plan's own"
    return Row(
        "chunk7 run, one cell, to its table", "s", median, {}, TABLE_S, noise=noise, note=note
    )


def table_s() -> float:
    """One run. Raises CalledProcessError where it is not valid."""
    begun_s, table = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        pair = ("--connect", CELL.connect, "--write", CELL.write)
        command = (*CHUNK7, "run", *pair, "--out", f"{folder}/run", "--no-report")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if CELL.write in line and not table:
                    table = time.monotonic() - begun_s
        if run.returncode:
            raise subprocess.CalledProcessError(run.returncode, command)
    return table


if __name__ == "__main__":
    main()
