"""How far a sweep is: a bar on a terminal, a line a unit elsewhere; always on stderr."""

import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from chunk7.analysis.sweep_table import LIVE, SweepPlan
from chunk7.cluster.cells import Cells
from chunk7.cluster.jobs.sweep.plan import Unit, live_settings, units

START_AND_STOP_S = 5.0
"""What a live run needs beside its timetable: parts that start, records that are judged."""

SIMULATION_S = 0.5


def length_s(plan: SweepPlan, cells: Cells, left: Sequence[Unit]) -> float:
    """How long these units take, by their timetables."""
    return sum(
        live_settings(plan, cells, unit.setting).length_s + START_AND_STOP_S
        if unit.by == LIVE
        else SIMULATION_S
        for unit in left
    )


class Follower:
    """A `chunk7.cluster.jobs.sweep.sweep.Watch` for people; a context manager."""

    def __init__(self, plan: SweepPlan, cells: Cells, console: Console) -> None:
        self._length_s: Callable[[Sequence[Unit]], float] = lambda left: length_s(plan, cells, left)
        self._all = len(units(plan))
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(), _Left())
        quiet = not console.is_terminal
        self._shown = Progress(*columns, console=console, transient=True, disable=quiet)
        self._bar = self._shown.add_task("", total=self._length_s(units(plan)))

    def __enter__(self) -> "Follower":
        self._shown.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shown.stop()

    def begins(self, unit: Unit, left: Sequence[Unit]) -> None:
        """Say so, and how long the rest takes."""
        left_s = self._length_s(left)
        title = f"{self._all - len(left) + 1}/{self._all} {unit.title}"
        total = self._shown.tasks[0].total or 0.0
        self._shown.update(
            self._bar, description=title, completed=total - left_s, ends_s=time.monotonic() + left_s
        )
        if not self._console.is_terminal:
            self._console.print(f"{title}, {_words(left_s)} left", highlight=False)


class _Left(ProgressColumn):
    """Counts down while a unit is measured."""

    def render(self, task: Task) -> Text:
        left_s = task.fields.get("ends_s", time.monotonic()) - time.monotonic()
        return Text(_words(max(0.0, left_s)))


def _words(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
