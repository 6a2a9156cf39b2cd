"""How many verified chunks a second the whole cluster carries in a run that is valid.

    python -m benchmarks.end_to_end [--json FILE]

Store, producer, three nodes, nginx and Locust on this machine's cores, one cell of `chunk7 run`, in
steps of more and more load. A step counts if the run is valid and has lost nothing; what makes the
others invalid is said.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks import rows

STEPS = ((240, 50), (480, 50), (480, 100), (720, 50), (1_000, 50), (720, 100), (1_000, 75))
"""Users, and chunks a second that each of them gets."""
DURATION_S = 6
WITHIN_S = 120.0
PAIR = ("--connect", "buffered_merge", "--write", "atomic_lua")
USERS_TARGET, RATE_TARGET = 1_000, 60_000


class Cell(msgspec.Struct):
    """Of a summary, what counts here."""

    chunks_delivered: int
    chunks_lost: int


class Summary(msgspec.Struct):
    """The same of a run."""

    valid: bool
    invalid_because: list[str]
    results: list[Cell]


class Step(msgspec.Struct, frozen=True):
    """What came of a load; `why`: nothing, or why it does not count."""

    users: int
    chunk_rate: int
    verified_s: float
    why: str


def measure(users: int, chunk_rate: int) -> Step:
    """One run. Raises RuntimeError when it leaves no summary."""
    load = ("--users", users, "--chunk-rate", chunk_rate, "--duration", DURATION_S)
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "chunk7", "run", *PAIR, "--json", "--nodes", "3"),
                *(*map(str, load), "--out", f"{scratch}/run"),
            ],
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
    if not done.stdout:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    summary = msgspec.json.decode(done.stdout, type=Summary)
    [cell] = summary.results
    lost = [f"{cell.chunks_lost} chunks lost"] if cell.chunks_lost else []
    why = [*summary.invalid_because, *lost]
    return Step(users, chunk_rate, cell.chunks_delivered / DURATION_S, "; ".join(why))


def as_rows(steps: Sequence[Step]) -> Iterator[rows.Row]:
    """The best of the steps that count, and what stopped the first that does not."""
    good = [step for step in steps if not step.why]
    note = next((f"{s.users} users x {s.chunk_rate}/s: {s.why}" for s in steps if s.why), "")
    what = "end to end, nginx and three nodes, valid"
    best = max((step.verified_s for step in good), default=0.0)
    users = max((step.users for step in good if step.chunk_rate == 50), default=0)
    yield rows.Row(f"{what}, verified", "1/s", best, {}, RATE_TARGET, False, note=note)
    yield rows.Row(f"{what}, users x 50/s", "users", users, {}, USERS_TARGET, False, note=note)


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Run all steps, print what came of each, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    print("| users | chunks/s each | verified/s | valid |\n|---|---|---|---|")
    steps = []
    for users, chunk_rate in STEPS:
        steps.append(measure(users, chunk_rate))
        verified_s, why = steps[-1].verified_s, steps[-1].why
        print(f"| {users} | {chunk_rate} | {verified_s:,.0f} | {why or 'yes'} |", flush=True)
    measured = [*as_rows(steps)]
    if given.json:
        rows.write(given.json, measured)
    return measured


if __name__ == "__main__":
    main()
