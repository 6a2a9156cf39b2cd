"""A run's results as people read them: a table, a sentence an ordering, and whether to trust it."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from analysis.conclusion import conclusion
from analysis.results import Result, Summary

_WIDTH = 120
"""Of a table that goes to no terminal."""


def stdout_console() -> Console:
    """Where results go: as wide as the terminal, or _WIDTH."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def show(summary: Summary, console: Console) -> None:
    """Print all of it."""
    console.print(table(summary.results))
    console.print()
    for result in summary.results:
        console.print(conclusion(result), soft_wrap=True)
    console.print()
    console.print(f"run folder: {summary.run_dir}", soft_wrap=True)
    if summary.valid:
        console.print("The run is valid.")
    for reason in summary.invalid_because:
        console.print(f"NOT VALID: {reason}", style="bold red", soft_wrap=True)


def table(results: Sequence[Result]) -> Table:
    """A row a cell, grouped by connect ordering."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column("connect", no_wrap=True, overflow="ellipsis")
    shown.add_column("write", no_wrap=True, overflow="ellipsis")
    for name in (
        "conn.",
        "lossy",
        "loss rate\n95%",
        "chunks lost\n(predicted)",
        "dupli-\ncates",
        "out of\norder",
        "window\np50 ms",
        "join\np50 ms",
        "chunk\np50 ms",
    ):
        shown.add_column(name, justify="right", no_wrap=True)
    before = ""
    for result in results:
        style = "red" if result.chunks_lost else None
        connect = "" if result.connect == before else result.connect
        shown.add_row(connect, *_row(result), style=style)
        before = result.connect
    return shown


def _row(result: Result) -> tuple[str, ...]:
    low, high = _percent(result.loss_rate_low), _percent(result.loss_rate_high)
    return (
        result.write,
        str(result.connections),
        str(result.lossy_connections),
        f"{_percent(result.loss_rate)} {low}-{high}",
        f"{result.chunks_lost} ({_number(result.chunks_lost_predicted)})",
        str(result.chunks_duplicate),
        str(result.chunks_out_of_order),
        _number(result.window_ms.p50),
        _number(result.join_ms.p50),
        _number(result.chunk_latency_ms.p50),
    )


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}%"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
