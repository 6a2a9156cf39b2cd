"""How many verified chunks a second the whole cluster carries in a run that is valid.

    python -m benchmarks.end_to_end [--rounds 3] [--json FILE]

Store, producer, three nodes, nginx and Locust on this machine's cores, one cell of `chunk7 run`, in
steps of more and more load, all of them once a round. A run counts if it is valid and has lost
nothing, a step if most of its runs do; what makes the first other one invalid is said.
"""

import argparse
import statistics
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
AT_LEAST = 50
"""Chunks a second of each of the users that are counted: those who get more count as well."""


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
    """What came of a load. `runs` of it were made, `counting` of them count; `why` not all."""

    users: int
    chunk_rate: int
    verified_s: float
    why: str
    runs: int = 1
    counting: int = 1

    @property
    def counts(self) -> bool:
        """Whether most of the runs do."""
        return 2 * self.counting > self.runs


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
    verified_s = cell.chunks_delivered / DURATION_S
    return Step(users, chunk_rate, verified_s, "; ".join(why), 1, int(not why))


def together(runs: Sequence[Step]) -> Step:
    """One step from its runs: the median of what was verified, the first reason."""
    first = runs[0]
    verified_s = statistics.median(run.verified_s for run in runs)
    why = next((run.why for run in runs if run.why), "")
    counting = sum(run.counting for run in runs)
    return Step(first.users, first.chunk_rate, verified_s, why, len(runs), counting)


def as_rows(steps: Sequence[Step]) -> Iterator[rows.Row]:
    """The best of the steps that count, and what stopped the first that does not."""
    good = [step for step in steps if step.counts]
    notes = (
        f"{s.users} users x {s.chunk_rate}/s, {s.counting} of {s.runs} runs valid: {s.why}"
        for s in steps
        if s.why
    )
    note = next(notes, "")
    what = "end to end, nginx and three nodes, valid"
    best = max((step.verified_s for step in good), default=0.0)
    users = max((step.users for step in good if step.chunk_rate >= AT_LEAST), default=0)
    yield rows.Row(f"{what}, verified", "1/s", best, {}, RATE_TARGET, False, note=note)
    yield rows.Row(
        f"{what}, users x {AT_LEAST}/s or more", "users", users, {}, USERS_TARGET, False, note=note
    )


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Run all steps, print what came of each, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    rounds: list[list[Step]] = []
    for number in range(1, given.rounds + 1):
        sys.stderr.write(f"round {number} of {given.rounds}\n")
        rounds.append([measure(*step) for step in STEPS])
    steps = [together(runs) for runs in zip(*rounds, strict=True)]
    print("| users | chunks/s each | verified/s | valid | why not |\n|---|---|---|---|---|")
    for step in steps:
        print(
            f"| {step.users} | {step.chunk_rate} | {step.verified_s:,.0f} "
            f"| {step.counting} of {step.runs} | {step.why} |"
        )
    measured = [*as_rows(steps)]
    if given.json:
        rows.write(given.json, measured)
    return measured


if __name__ == "__main__":
    main()
