"""A run's results as people read them: a table, a sentence an ordering, and whether to trust it."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from chunk7.analysis.conclusion import Standing, conclusion, proof, standing
from chunk7.analysis.results import Result, Summary
from chunk7.console import print_table

PLAIN_WIDTH = 120
"""Columns of a table that goes to no terminal."""
_STYLES = {Standing.LOSES: "red", Standing.LUCKY: "yellow"}


def show(summary: Summary, console: Console) -> None:
    """Print all of it."""
    show_results(summary.results, console)
    console.print()
    console.print(f"run folder: {summary.run_dir}", soft_wrap=True)
    if summary.valid:
        console.print("The run is valid.")
    for fault in summary.faults:
        # Imported here: it brings matplotlib, 0.4 s, and most runs have a table and no faults.
        from chunk7.analysis.report.faults import sentence

        console.print(sentence(fault), soft_wrap=True, markup=False)
    for line in summary.excused:
        console.print(f"Excused by its faults: {line}", soft_wrap=True, markup=False)
    if (by_text := summary.told_apart_by.get("text")) is not None:
        console.print(
            f"Chunks were told apart by their text in {by_text} connections: alignments.parquet "
            "has every hole, repeat and swap with its position.",
            soft_wrap=True,
        )
    for reason in summary.invalid_because:
        console.print(f"NOT VALID: {reason}", style="bold red", soft_wrap=True)


def show_results(results: Sequence[Result], console: Console) -> None:
    """The table, and a sentence a cell."""
    print_table(console, table(results), keep=3)
    if any(standing(result) is Standing.LUCKY for result in results):
        console.print(f"!  {Standing.LUCKY}")
    console.print()
    for result in results:
        line = f"{conclusion(result)} {proof(result)}".rstrip()
        console.print(line, soft_wrap=True, markup=False)
    for result in results:
        if result.returns:
            console.print(f"{result.name}: {_cut(result.returns)}", soft_wrap=True, markup=False)


def table(results: Sequence[Result]) -> Table:
    """A row a cell, under its connect ordering. Fits into 80 columns.

    Losses are red; what can lose is yellow, and has a `!` before it.
    The law's number of lost chunks is beside the measured one; times are medians.
    """
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column("connect\n  x write", overflow="fold")  # gives way where it is narrow
    for heading in (
        "lossy/\nconn.",
        "loss %\n(95%)",
        "lost\n(law)",
        "unde-\nterm.",
        "dup.",
        "dis-\nord.",
        "wind.\nms",
        "join\nms",
        "chunk\nms",
    ):
        shown.add_column(heading, justify="right", no_wrap=True)
    for connect, cells in groupby(results, key=lambda result: result.connect):
        shown.add_row(connect)
        for result in cells:
            shown.add_row(*_row(result), style=_STYLES.get(standing(result)))
    return shown


def _row(result: Result) -> tuple[str, ...]:
    return (
        f"{'!' if standing(result) is Standing.LUCKY else ' '} {result.write}",
        f"{result.lossy_connections}/{result.connections}",
        _rate(result),
        f"{result.chunks_lost} ({_law(result.chunks_lost_predicted)})",
        str(result.chunks_undetermined),
        str(result.chunks_duplicate),
        str(result.chunks_out_of_order),
        *(
            "-" if quantiles.p50 is None else f"{quantiles.p50:.1f}"
            for quantiles in (result.window_ms, result.join_ms, result.chunk_latency_ms)
        ),
    )


def _cut(returns: Mapping[str, int | float]) -> str:
    """What came of the users who lost their connection."""
    never, median = returns["never_back"], returns.get("away_ms_median")
    away = "" if median is None else f", away {median:,.0f} ms (median)"
    return (
        f"{returns['users_cut']} users lost their connection: {returns['returns']} returns{away}"
        f"{f', {never} never back' if never else ''}; of {returns['chunks_away']} chunks published "
        f"meanwhile {returns['chunks_away_lost']} were lost."
    )


def _law(predicted: float | None) -> str:
    """The law promises no more digits than these."""
    if predicted is None:
        return "-"
    return f"{predicted:.1f}" if predicted < 9.95 else f"{predicted:.0f}"


def _rate(result: Result) -> str:
    """The loss rate and its interval, in percent."""
    if result.loss_rate is None or result.loss_rate_low is None or result.loss_rate_high is None:
        return "-"
    low, high = 100 * result.loss_rate_low, 100 * result.loss_rate_high
    return f"{100 * result.loss_rate:.1f} ({low:.0f}-{high:.0f})"
