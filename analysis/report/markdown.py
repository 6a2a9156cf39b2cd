"""report.md: the run in the space of a comment on a pull request (GitHub's Markdown).

Everything is escaped. What stands between backticks in a proof is shown as code.
"""

import re
from collections.abc import Iterator, Sequence

from chunk7.analysis.report.page import Page
from chunk7.analysis.report.table import Column, Shown, Table
from chunk7.wire.visible import visible

_SIGNS = {"loses": "❌", "lucky": "⚠️", "keeps": "✅", "unknown": "❔"}
_KEPT = (
    "cell", "verdict", "lossy connections", "loss rate", "chunks lost", "undetermined",
    "law expects", "duplicates", "out of order", "fetched",
)  # fmt: skip
"""Columns of the cells; a comment is narrow."""


def render_markdown(page: Page) -> str:
    """The whole text, with a newline at its end."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"## chunk7: {_SIGNS[page.mark]} {escape(page.headline)}"
    yield ""
    yield f"{'' if page.valid else _SIGNS['loses'] + ' '}**{escape(page.validity)}**"
    yield ""
    if page.reasons:
        yield from (f"- {escape(reason)}" for reason in page.reasons)
        yield ""
    if page.excused:
        yield from _folded("Excused by its faults", (f"- {escape(line)}" for line in page.excused))
    yield " · ".join(f"{escape(value)} {escape(name)}" for name, value in _facts(page))
    yield ""
    if page.thresholds:
        yield from _table(page.thresholds)
    yield from _table(_narrowed(page.cells))
    yield from (f"- {escape(s.text)} {_with_code(s.proof)}".rstrip() for s in page.sentences)
    yield ""
    if page.faults:
        yield from _folded(page.faults.caption, _table(page.faults))
    if page.losses.total:
        yield from _folded("Why chunks were lost", _table(page.causes))
    if page.returns:
        yield from _folded(page.returns.caption, _table(page.returns))
    for table in page.comparisons[:1]:
        yield from _folded(table.caption, _table(table))
    yield from _folded("Prices", _table(page.prices))
    yield from _folded("How it was made", _making(page))


def _facts(page: Page) -> list[tuple[str, str]]:
    """The seed is a name before its number, all others are counts."""
    return [(value, name) if name == "seed" else (name, value) for name, value in page.facts]


def _making(page: Page) -> Iterator[str]:
    yield from _table(page.processes)
    for section in page.making:
        yield f"**{escape(section.title)}**"
        yield ""
        yield from (f"- {escape(name)}: {escape(value)}" for name, value in section.rows)
        yield ""


def _folded(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from (f"<details><summary>{escape(title)}</summary>", "")
    yield from lines
    yield from ("</details>", "")


def _narrowed(table: Table) -> Table:
    kept = [k for k, column in enumerate(table.columns) if column.title in _KEPT]
    columns = [table.columns[k] for k in kept]
    return Table(table.caption, columns, [[row[k] for k in kept] for row in table.rows])


def _table(table: Table) -> Iterator[str]:
    yield _row([escape(column.title) for column in table.columns])
    yield _row([_rule(column) for column in table.columns])
    yield from (_row([_field(shown) for shown in row]) for row in table.rows)
    yield ""


def _row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _rule(column: Column) -> str:
    return "---:" if column.numeric else "---"


def _field(shown: Shown) -> str:
    sign = f"{_SIGNS[shown.mark]} " if shown.mark else ""
    plain = shown.note.startswith(("x ", "of "))
    note = f" {shown.note}" if plain else f" ({shown.note})"
    return sign + escape(shown.text + (note if shown.note else ""))


def _with_code(text: str) -> str:
    """Escaped, but for what stands between its two backticks: nothing means anything in there."""
    parts = re.sub(r"\s+", " ", text).split("`")
    if len(parts) != 3:
        return escape(text)
    before, code, after = parts
    return f"{escape(before)}`{code}`{escape(after)}"


def escape(text: str) -> str:
    """A text that Markdown shows as it is, in one line, also inside a table."""
    line = visible(re.sub(r"\s+", " ", text))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]|~#])", r"\\\1", line)
    # Inside a word an underscore is only itself, and names stay readable.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)
