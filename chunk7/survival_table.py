"""The survival matrix as people read it: a row a pair, a column a fault."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chunk7.console import fits
from chunk7.exploration import Survival
from chunk7.faults import SAME_AS, STRIKES
from chunk7.simulator.explore import schedule as schedules

_STYLES = {"keeps": "green", "loses": "red", "unknown": "yellow"}
_NO_FAULT = "no fault"


def show_survival(rows: Sequence[Survival], title: str, console: Console) -> None:
    """The matrix, below one another the columns that do not fit beside each other; and the sum."""
    for faults in _parts(rows, title, console):
        console.print(_table(rows, title, faults))
        console.print()
    for line in _said_of(tuple(dict.fromkeys((row.fault, row.same_as) for row in rows))):
        console.print(line, soft_wrap=True)
    console.print(_sum(rows), soft_wrap=True)


def write_schedules(rows: Sequence[Survival], folder: Path) -> None:
    """CONNECT-WRITE-FAULT.json for each fault that makes a pair lose, for `reproduce`."""
    for row in rows:
        if row.schedule and not row.loses_anyway:
            name = re.sub(r"[^\w-]+", "_", f"{row.connect}-{row.write}-{row.fault}")
            schedules.dump(row.schedule, folder / f"{name}.json")


def _parts(rows: Sequence[Survival], title: str, console: Console) -> Iterator[list[str]]:
    """The faults, as many at once as there is room for, and at least one."""
    part: list[str] = []
    for fault in dict.fromkeys(row.fault for row in rows):
        if part and not fits(_table(rows, title, [*part, fault]), console):
            yield part
            part = []
        part.append(fault)
    yield part


def _table(rows: Sequence[Survival], title: str, faults: Sequence[str]) -> Table:
    """Pairs under their connect ordering, with no fault and with each of these."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("connect\n  x write", overflow="fold")
    for name in (_NO_FAULT, *faults):
        table.add_column(re.sub("_| ", "\\g<0>\n", name), no_wrap=True)
    for connect, of_connect in groupby(rows, key=lambda row: row.connect):
        table.add_row(connect)
        for write, of_pair in groupby(of_connect, key=lambda row: row.write):
            found = list(of_pair)
            words = {row.fault: row.verdict for row in found}
            verdicts = [found[0].without_fault, *(words[fault] for fault in faults)]
            table.add_row(f"  {write}", *(Text(word, _STYLES[word]) for word in verdicts))
    return table


def _said_of(faults: Sequence[tuple[str, str | None]]) -> Iterator[str]:
    """What stands for those that have no schedules of their own, shown or not."""
    shown = dict(faults)
    absent = SAME_AS if STRIKES.keys() <= shown.keys() else {}
    for name, other in {**absent, **shown}.items():
        if other is None:
            yield f"{name}: only delays, and every order is explored anyway: as with no fault"
        elif other != name:
            yield f"{name}: has no schedule of its own: as {other}"


def _sum(rows: Sequence[Survival]) -> str:
    verdicts = [row.verdict for row in rows]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in _STYLES if word in verdicts)
    anyway = sum(row.loses_anyway for row in rows)
    return f"{len(rows)} cells: {counts}" + (f" ({anyway} with no fault, too)" if anyway else "")
