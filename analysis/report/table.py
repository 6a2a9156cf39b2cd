"""A table as the report shows it: what stands in each field, and what the field sorts by."""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.report.words import number


@dataclass(frozen=True, slots=True)
class Column:
    """`meaning` explains the title to who points at it; `numeric` is right-aligned."""

    title: str
    meaning: str = ""
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """One field. `sort` is what it sorts by, None last. `note` is a second, lesser line.

    `mark` is loses, lucky (lost none, but can), keeps or unknown for what is good or bad news,
    never told by colour alone.
    `bar` is (low, value, high) on the scale 0 to 1 of its column, for a small picture beside it.
    """

    text: str
    sort: float | str | None = None
    note: str = ""
    mark: str = ""
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Every row has a field a column, the first of which names the row."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Shown]]


def numeric(value: float | None, digits: int = 0, note: str = "") -> Shown:
    """A number that sorts by its value."""
    shown = number(value, digits)
    known = value is not None and value == value
    return Shown(shown, float(value) if known and value is not None else None, note)


def worded(text: str, note: str = "", mark: str = "") -> Shown:
    """A text that sorts by itself."""
    return Shown(text, f"{text} {note}".strip().casefold(), note, mark)
