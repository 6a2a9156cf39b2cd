"""Which pair keeps which property of one's own, as people read it."""

import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chunk7.console import known_width, print_table
from chunk7.exploration import Proved
from chunk7.wire.visible import visible

_STYLES = {"holds": "green", "broken": "red", "unknown": "yellow"}


def show_properties(rows: Sequence[Proved], title: str, console: Console) -> None:
    """The table, a drawing of each property that a pair breaks, and the sum."""
    print_table(console, _table(rows, title), keep=1)
    for row in rows:
        for drawing in row.drawings.values():
            sys.stdout.write(visible("\n" + drawing.text(known_width())))
    verdicts = [word for row in rows for word in row.document["properties"].values()]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in _STYLES if word in verdicts)
    states = sum(row.document["states"] for row in rows)
    seconds = sum(row.seconds for row in rows)
    sys.stdout.write(f"\n{len(rows)} cells: {counts}; {states} states in {seconds:.2f} s\n")


def _table(rows: Sequence[Proved], title: str) -> Table:
    """Cells under their connect ordering, a column a property."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("connect\n  x write", overflow="fold")
    for name in rows[0].document["properties"]:
        table.add_column(name, overflow="fold")
    both = not all(row.document["resumes"] for row in rows)
    for connect, of_connect in groupby(rows, key=lambda row: row.document["connect"]):
        table.add_row(connect)
        for row in of_connect:
            cell = row.document
            again = ("", ", resumes" if cell["resumes"] else ", starts over")[both]
            words = cell["properties"].values()
            table.add_row(f"  {cell['write']}{again}", *(Text(w, _STYLES[w]) for w in words))
    return table
