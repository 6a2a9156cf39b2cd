"""Where results are printed, and how they fit there. Colours are rich's, which heeds NO_COLOR."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from chunk7.wire.visible import visible

_ANY = 100_000
"""More columns than any terminal has."""
_FOLDED = 20
"""To so many columns the first one, of names, may be folded before others are left out."""


class PlainConsole(Console):
    """One that shows names as they are: neither as markup, nor as orders to the terminal.

    What becomes of a reader who has gone, it leaves to the command line.
    """

    def on_broken_pipe(self) -> None:
        """rich would exit with 1; it calls this where it has caught the error."""
        raise

    def render_str(self, text: str, **options: Any) -> Text:
        """A text of a table or a line, before it is measured."""
        return super().render_str(visible(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What else is drawn; rich's own orders (colours, cursor) are not in the texts."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)


def known_width() -> int | None:
    """Columns of the terminal, or as COLUMNS says; None where nobody knows: in a pipe, a file."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    return Console().width if sys.stdout.isatty() else None


def stdout_console(plain_width: int) -> Console:
    """stdout, as wide as it is known to be, or else `plain_width`."""
    return PlainConsole(highlight=False, markup=False, width=known_width() or plain_width)


def stderr_console() -> Console:
    """stderr, for progress and what else is no result."""
    return PlainConsole(stderr=True, highlight=False, markup=False)


def fits(table: Table, console: Console) -> bool:
    """Whether every field can be shown whole."""
    return _natural(table, console) <= console.width


def print_table(console: Console, table: Table, keep: int) -> None:
    """Print it, without its last columns as far as they do not fit; the first `keep` always stay.

    No field is cut: the first column is folded, and what is left out is named.
    """
    left_out = narrow(console, table, keep)
    console.print(table)
    if left_out:
        names = ", ".join(left_out)
        console.print(f"too narrow for: {names}; --json has all", soft_wrap=True, markup=False)


def narrow(console: Console, table: Table, keep: int) -> list[str]:
    """Take the last columns away that do not fit, but none of the first `keep`; their headings."""
    left_out: list[str] = []
    while len(table.columns) > keep and _needed(table, console) > console.width:
        heading = str(table.columns.pop().header).replace("-\n", "")
        left_out.insert(0, " ".join(heading.split()))
    return left_out


def _natural(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=_ANY), table).maximum


def _needed(table: Table, console: Console) -> int:
    return _natural(table, console) - max(0, _width(table.columns[0], console) - _FOLDED)


def _width(column: Column, console: Console) -> int:
    options = console.options.update(max_width=_ANY)
    fields = (column.header, *column.cells)
    return max(Measurement.get(console, options, field).maximum for field in fields)
