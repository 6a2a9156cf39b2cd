"""Measure docs/reliability.md's table anew and write it there: `make reliability`, some minutes.

python -m benchmarks.reliability [--inputs 50000] [--soak-s 120] [--load-s 4] [--seed 1]

Between the page's two markers; the rest of the page is written by hand. What a row comes from can
be run by itself: benchmarks/fuzz_node.py, node_under_load.py, soak.py, store_mishaps.py. Autobahn's
row is read from autobahn.md, since that suite needs another Python. Exit code 1: a bound not held.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks import fuzz_node, node_under_load, soak, store_mishaps

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
AUTOBAHN = Path(__file__).with_name("autobahn.md")
BEGIN, END = "<!-- written by `make reliability` -->\n", "<!-- end -->\n"
HEAD = """\
| tried | how much | what came of it | bound | held | before, or elsewhere |
|---|---|---|---|---|---|"""
LOAD = ("idle", "fetches", "histories", "half_open")
LOST_BY_NATURE = ("history_then_subscribe", "subscribe_then_history", "buffered_merge")
"""Orderings that cannot ask for what was published while the node was deaf."""
BEFORE = {
    "bad inputs": "8,012 requests and 120,000 frames, no crash",
    "soak": "10 minutes of `up`: +0.7 MB, descriptors flat",
    "idle": "p99 4.8 to 285 ms: heartbeats were one burst",
    "never read": "p99 3.9 to 16-29 ms; seven waves: 114 to 347 MB",
    "fetch": "p99 551 ms",
    "joins of": "1,860 ms",
    "histories": "600 MB",
    "half": "the node ended after 4 s",
    "CLIENT KILL": "told within 60 ms; lost of 20,076: history_then_subscribe 80, "
    "buffered_merge 70, gap fill and streams 0",
    "SIGSTOP": "8 s: told after 5.5 s",
}
"""By a word of `tried` or `how much`: measured before, with other scripts or the older code."""


class Row(NamedTuple):
    """One line of the table."""

    tried: str
    much: str
    came: str
    bound: str
    held: bool

    def text(self) -> str:
        """As Markdown."""
        where = f"{self.tried} {self.much}"
        before = [said for word, said in BEFORE.items() if word in where]
        cells = (self.tried, self.much, self.came, self.bound, "yes" if self.held else "**no**")
        return f"| {' | '.join((*cells, before[-1] if before else ''))} |"


def rewritten(page: str, table: str) -> str:
    """The page with another table. Raises ValueError when a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks {BEGIN.strip()} or {END.strip()}")
    return f"{before}{BEGIN}{table}\n{END}{after}"


def fuzzed(done: fuzz_node.Fuzzed) -> Row:
    """The row of bad inputs."""
    first, last = done.levels[0], done.levels[-1]
    came = (
        f"lives, {done.tracebacks} tracebacks, {len(done.leaks)} chunks of another session, "
        f"{len(done.strange_commands)} strange commands of {done.commands:,}; memory x"
        f"{done.growth:.2f}, descriptors {first.files} to {last.files}, tasks {first.tasks} to "
        f"{last.tasks}; good clients' chunks lost: {'; '.join(done.wrong) or 0}"
    )
    much = f"{done.inputs.total():,} on {done.connections:,} connections"
    bound = f"none lost; memory x{fuzz_node.MOST_GROWTH}, descriptors +{fuzz_node.MORE_FILES}"
    return Row("bad inputs", much, came, bound, not done.faults())


def autobahn(page: str) -> Iterator[Row]:
    """Autobahn's rows, of autobahn.md's table."""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[1].isdigit():
            end, cases, right, loose, told, _, failed = cells
            came = f"{right} OK, {loose} non-strict, {told} informational, {failed} known failures"
            yield Row("Autobahn", f"{cases} cases, {end}", came, "only the known ones", True)


def soaked(done: soak.Soaked) -> Row:
    """The row of the soak."""
    flat = [
        f"{name.replace(' memory_mb', ' MB')} {first:.0f} to {last:.0f}"
        for name, (first, last) in done.lines.items()
    ]
    much = (
        f"{done.seconds:.0f} s, {done.connections:,} connections, {done.answers} answers, "
        f"{done.mishaps.total()} mishaps of the store"
    )
    came = f"lost {done.lost} of {done.due:,}; {', '.join(flat)}"
    bound = f"none lost; memory x{soak.MOST_GROWTH}, descriptors and tasks +{soak.MORE_FILES:.0f}"
    return Row("soak: joins, leaves", much, came, bound, not done.faults())


def mishaps(kind: str, done: store_mishaps.Mishap) -> Row:
    """The row of one kind of harm to the store."""
    told = "not all clients were told"
    if done.told_ms is not None and done.back_s is not None:
        told = f"told within {done.told_ms:,.0f} ms, back {done.back_s:.2f} s later"
    lost = ", ".join(f"{ordering} {count}" for ordering, count in done.lost.items())
    kept = not any(n for ordering, n in done.lost.items() if ordering not in LOST_BY_NATURE)
    came = f"{told}; lost of {done.due:,} each: {lost}"
    bound = "all told; none lost by the recovering ones"
    return Row(kind, f"{done.strikes} times", came, bound, kept and done.told_ms is not None)


def load(seconds: float) -> Iterator[Row]:
    """The rows of the node under load."""
    for row in node_under_load.measure(LOAD, ROOT, seconds):
        came = f"good clients, ms: {row.delay}; {row.node}"
        yield Row("load", row.what, came, row.bound, row.held)


def _rows(given: argparse.Namespace) -> Iterator[Row]:
    yield from load(given.load_s)
    for kind, strike in store_mishaps.KINDS.items():
        yield mishaps(kind, store_mishaps.measure(strike))
    yield fuzzed(fuzz_node.fuzz(given.inputs, given.seed))
    yield soaked(soak.soak(given.soak_s, given.seed))
    yield from autobahn(AUTOBAHN.read_text())


def _conditions(given: argparse.Namespace) -> str:
    memory_gb = psutil.virtual_memory().total / 1e9
    options = f"--inputs {given.inputs} --soak-s {given.soak_s:g} --load-s {given.load_s:g}"
    return (
        f"`python -m benchmarks.reliability {options} --seed {given.seed}`; Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, {memory_gb:.0f} GB; other work on "
        f"the machine: load average {os.getloadavg()[2]:.1f} at the beginning."
    )


def main() -> int:
    """Measure all, row by row, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--soak-s", type=float, default=120)
    parser.add_argument("--load-s", type=float, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    conditions, rows = _conditions(given), []
    for row in _rows(given):
        print(row.text(), flush=True)
        rows.append(row)
    table = "\n".join([HEAD, *(row.text() for row in rows), "", conditions])
    PAGE.write_text(rewritten(PAGE.read_text(), table))
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
