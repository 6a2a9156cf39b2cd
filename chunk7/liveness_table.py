"""Where the fair runs of each pair end, as people read it."""

import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chunk7.console import known_width, print_table
from chunk7.exploration import Lived
from chunk7.wire.visible import visible

_STYLES = {
    "converges": "green",
    "starves": "red",
    "unfinished": "red",
    "restless": "yellow",
    "unknown": "yellow",
}


def show_liveness(rows: Sequence[Lived], title: str, console: Console) -> None:
    """The table, a drawing of each pair that fails, and the sum."""
    print_table(console, _table(rows, title), keep=2)
    for row in rows:
        if row.drawing is not None:
            sys.stdout.write(visible("\n" + row.drawing.text(known_width())))
    verdicts = [row.document["verdict"] for row in rows]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in _STYLES if word in verdicts)
    states = sum(row.document["states"] for row in rows)
    seconds = sum(row.seconds for row in rows)
    sys.stdout.write(f"\n{len(rows)} cells: {counts}; {states} states in {seconds:.2f} s\n")


def _table(rows: Sequence[Lived], title: str) -> Table:
    """Cells under their connect ordering."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("connect\n  x write", overflow="fold")
    table.add_column("in the end", no_wrap=True)
    table.add_column("states", justify="right", no_wrap=True)
    both = not all(row.document["resumes"] for row in rows)
    for connect, of_connect in groupby(rows, key=lambda row: row.document["connect"]):
        table.add_row(connect)
        for row in of_connect:
            cell = row.document
            again = ("", ", resumes" if cell["resumes"] else ", starts over")[both]
            verdict = Text(cell["verdict"], _STYLES[cell["verdict"]])
            table.add_row(f"  {cell['write']}{again}", verdict, f"{cell['states']:,}")
    return table
