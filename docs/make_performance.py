"""Write the tables of docs/performance.md and its picture from benchmarks/results.json.

    python -m docs.make_performance

`make bench` measures, and then does this. The file has the rows of each measurement by its name,
and beside them where they were measured.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from matplotlib.figure import Figure

from benchmarks import exponents, rows
from chunk7.analysis.figures.style import save

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = Path(__file__).with_name("performance.md")
PICTURE = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- measured -->\n", "<!-- end of measured -->\n"
TITLES = {
    "relays": "The relay node",
    "load_generators": "The load generator",
    "analysis_scale": "Judging",
    "simulate": "Simulating",
    "explore": "Exploring",
    "start_up": "Beginning",
    "end_to_end": "End to end",
    "growth": "How it grows",
}

RELAY, LOAD, JUDGE = (
    "relay, chunks alone",
    "load generator, a verified chunk that comes alone",
    "10 million receipts, load and judge, CPU",
)
WAYS = {
    "chunk7": ("chunk7", "chunk7", "chunk7"),
    "the quickest peer of each": ("picows", "picows", "polars"),
    "Node": ("Node ws", "Node ws", "duckdb"),
    "as people write it": (
        "FastAPI as people write it",
        "Locust, websocket-client, an event a chunk",
        "pandas",
    ),
}
"""Who relays, who receives, who judges, in each of the picture's bars."""
STEPS = ("relayed", "received", "judged")


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measurement: its rows with where they were measured, and of how many rounds."""

    rounds: int
    file: rows.Rows


Results = dict[str, Measured]
"""By the measurement's name."""


def read(path: Path) -> Results:
    """What was measured the last time; nothing if there is no such file. Raises ValueError."""
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from None


def write(path: Path, results: Results) -> None:
    """Keep it."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def tables(results: Results) -> str:
    """What stands between the marks of the page; of a part that was not measured, that."""
    lines = []
    for name, title in TITLES.items():
        if name not in results:
            again = f"`make bench ARGS='--only {name}'`"
            lines += [f"### {title}\n", f"Not measured, or not to its end: {again}.\n"]
            continue
        measured = results[name]
        file = measured.file
        rounds = "1 round" if measured.rounds == 1 else f"{measured.rounds} rounds"
        told = ", ".join(f"{package} {version}" for package, version in file.versions.items())
        grown = all(row.points for row in file.rows)
        table = growth_table(file.rows) if grown else rows.table(file.rows)
        lines += [f"### {title}\n", table, ""]
        lines += [f"{growth_sentence(file.rows)}\n"] if grown else []
        lines += [f"{note}.\n" for note in dict.fromkeys(row.note for row in file.rows) if note]
        lines += [f"{rounds}, commit {file.commit}, {file.machine}; {told}.\n"]
    return "\n".join(lines)


def growth_table(grown: Sequence[rows.Row]) -> str:
    """Markdown: what the least and the most of a load cost in all, and the exponents between."""
    lines = [
        "| cost of what, by what | load | cost | exponent | of the largest three | |",
        "|---|---|---|---|---|---|",
    ]
    for row in grown:
        sizes = sorted({size for size, _ in row.points})
        least = statistics.median(cost for size, cost in row.points if size == sizes[0])
        load = f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
        cost = f"{rows.number(least)} to {rows.number(row.chunk7)} {row.unit}"
        of_all = exponents.exponent(row.points)
        of_largest = exponents.exponent(exponents.of_largest(row.points))
        verdict = exponents.growth(row.points)
        lines.append(f"| {row.what} | {load} | {cost} | {of_all} | {of_largest} | {verdict} |")
    return "\n".join(lines)


def growth_sentence(grown: Sequence[rows.Row]) -> str:
    """What all of it comes to."""
    said: dict[exponents.Growth, list[str]] = {kind: [] for kind in exponents.Growth}
    for row in grown:
        said[exponents.growth(row.points)].append(row.what)
    worse, unknown = (", ".join(said[kind]) for kind in exponents.BAD)
    if worse or unknown:
        first = f"Worse than linear: {worse}." if worse else "Nothing is surely worse than linear."
        return f"{first} Too noisy to say: {unknown}." if unknown else first
    return "Nothing is worse than linear: no exponent is above 1 by more than its spread."


def picture(results: Results) -> Figure:
    """A bar a way of working: microseconds of processor that one chunk of one client costs.

    A way of which a peer could not be measured has none.
    """
    by_name = {row.what: row for one in results.values() for row in one.file.rows}
    found = [by_name[what] for what in (RELAY, LOAD, JUDGE)]
    of = {
        way: [_us(row, who) for row, who in zip(found, whose, strict=True)]
        for way, whose in WAYS.items()
        if all(who in _measured(row) for row, who in zip(found, whose, strict=True))
    }
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    names = [*of][::-1]
    left = [0.0] * len(names)
    for place, step in enumerate(STEPS):
        widths = [of[name][place] for name in names]
        axes.barh(names, widths, left=left, label=step)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for name, total in zip(names, left, strict=True):
        axes.annotate(f" {total:.0f}", (total, name), va="center")
    axes.margins(x=0.08)
    axes.set_xlabel("µs of a core that one chunk of one client costs, each chunk coming alone")
    axes.legend(loc="upper right")  # where bars are short
    return figure


def _us(row: rows.Row, who: str) -> float:
    """Of ten million receipts judged in s, or of a chunk in us."""
    value = _measured(row)[who]
    return value / 10 if row.unit == "s" else value


def _measured(row: rows.Row) -> dict[str, float]:
    return {"chunk7": row.chunk7, **row.peers}


def main() -> int:
    """Write page and picture."""
    results = read(RESULTS)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + tables(results) + END + rest.partition(END)[2])
    save(picture(results), PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
