"""How far a run is: a bar on a terminal, a line a cell elsewhere; always on stderr.

The producer's timetable says it all: once it is there, time alone moves the bar.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chunk7.delivery.errors import Chunk7Error
from chunk7.loadtest.producer_api import TimetableStopped, current, epoch_ns
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import Cell, Timetable

_EVERY_S = 0.2
_ANSWER_WITHIN_S = 2.0


class Stopped:
    """In the place of a timetable that was stopped."""


Timetables = Callable[[], Awaitable[Timetable | Stopped | None]]
"""The producer's timetable of this moment, as it has it; None while there is none."""


async def follow(timetables: Timetables, cells: Sequence[Cell], console: Console) -> None:
    """Show where the run is until the timetable's end. Meant to be cancelled when the load ends."""
    timetable = await _timetable(timetables)
    began_ns = epoch_ns(timetable)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    total_ms = timetable.plan.end_ms
    with shown:
        bar = shown.add_task("", total=total_ms)
        before = -1
        while (at_ms := (now_ns() - began_ns) / 1e6) < total_ms:
            cell = _cell(timetable, at_ms)
            title = f"{cell + 1}/{len(cells)} {cells[cell].name}"
            shown.update(bar, completed=max(0.0, at_ms), description=title)
            if cell != before and not console.is_terminal:
                console.print(title, highlight=False)
            before = cell
            await asyncio.sleep(_EVERY_S)


def _cell(timetable: Timetable, at_ms: float) -> int:
    """The cell that streams at this time, in ms after the epoch; the first one before it."""
    plan = timetable.plan
    begun = sum(plan.cell_start_ms(cell) <= at_ms for cell in range(len(plan.cells)))
    return max(0, begun - 1)


async def _timetable(timetables: Timetables) -> Timetable:
    """The timetable, as soon as the load test has ordered one."""
    while True:  # bounded by whoever waits for the load to end
        found = await timetables()
        if isinstance(found, Timetable):
            return found
        await asyncio.sleep(_EVERY_S)


async def timetable_of(producer: str) -> Timetable | Stopped | None:
    """The timetable that the producer has now; None for none, and where nobody answers."""
    try:  # the standard library's client, which is here anyway: aiohttp takes 0.2 s to import
        return await asyncio.to_thread(current, producer, _ANSWER_WITHIN_S)
    except TimetableStopped:
        return Stopped()
    except Chunk7Error:
        return None  # if it is gone, its part has ended, and that is watched elsewhere
