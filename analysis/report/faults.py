"""What faults did, for the page: a table of their strikes, and a sentence each for a CI system."""

from collections.abc import Mapping

from chunk7.analysis.recovery import FaultChunks, FaultResult
from chunk7.analysis.report.table import Column, Shown, Table, numeric, worded
from chunk7.analysis.report.words import CAUSES, NOTHING, number
from chunk7.analysis.results import Summary


def faults_table(summary: Summary) -> Table | None:
    """A row a strike, by time; None in a run without faults."""
    if not summary.faults:
        return None
    columns = [
        Column("fault", "its name and what it struck", numeric=False),
        Column("in", "the cell in which it began", numeric=False),
        Column("at, s", "after the start of its cell; below, since the run began"),
        Column("lasted, s", "0: it takes no time"),
        Column("visits interrupted", "of those that were open as it began"),
        Column(
            "back after p50, ms",
            "median of those visits: from the fault's beginning to the first chunk after the last "
            "that never came, or came late; with its 95% interval",
        ),
        Column("back after p95, ms", "95th percentile of the same; with its 95% interval"),
        Column("not back", "interrupted visits that were over before anything came"),
        Column("lost within", "chunks of its cell published in its time; below, outside of faults"),
        Column("undetermined within", "the same, whose outcome nobody can know"),
        Column("duplicates within", "the same, receipts after the first"),
        Column("lost because", "causes of the chunks lost within", numeric=False),
    ]
    return Table("What each fault did", columns, [_row(result) for result in summary.faults])


def fault_sentences(summary: Summary) -> Mapping[str, str]:
    """By `fault.1`, `fault.2` and so on a strike in a sentence; by `excused.1` what is excused."""
    told = {f"fault.{k}": sentence(result) for k, result in enumerate(summary.faults, 1)}
    return told | {f"excused.{k}": line for k, line in enumerate(summary.excused, 1)}


def _row(result: FaultResult) -> list[Shown]:
    within, outside, times = result.within, result.outside, result.recovery_ms
    lasted_s = None if result.ended_s is None else result.ended_s - result.began_s
    return [
        worded(result.name, result.target),
        worded(result.connect, f"x {result.write}"),
        numeric(result.offset_ms / 1e3, 2, f"{number(result.began_s, 2)} of the run"),
        numeric(lasted_s, 2),
        numeric(result.interrupted, note=f"of {number(result.visits, 0)}"),
        numeric(times.p50, 0, _between(times.p50_low, times.p50_high)),
        numeric(times.p95, 0, _between(times.p95_low, times.p95_high)),
        numeric(result.not_back),
        _beside(within.lost, outside.lost, outside),
        _beside(within.undetermined, outside.undetermined, outside),
        _beside(within.duplicate, outside.duplicate, outside),
        worded(_causes(within) or NOTHING),
    ]


def _between(low: float | None, high: float | None) -> str:
    """An end that so few visits cannot bound is left open."""
    if low is None and high is None:
        return ""
    return f"{number(low, 0) if low is not None else '?'} to " + (
        number(high, 0) if high is not None else "?"
    )


def _beside(within: int, outside: int, of_cell: FaultChunks) -> Shown:
    return numeric(within, note=f"outside {number(outside, 0)} of {number(of_cell.expected, 0)}")


def _causes(chunks: FaultChunks) -> str:
    named = ((CAUSES.get(cause, (cause, ""))[0], count) for cause, count in chunks.causes.items())
    return ", ".join(f"{name} {count:,}" for name, count in named)


def sentence(result: FaultResult) -> str:
    """A strike in one line."""
    times = result.recovery_ms
    back = ""
    if times.p50 is not None:
        between = _between(times.p50_low, times.p50_high)
        back = f", back after {number(times.p50, 0)} ms"
        back += f" ({between})" if between else ""
    if result.not_back:
        back += f", {number(result.not_back, 0)} not back"
    causes = _causes(result.within)
    return (
        f"{f'{result.name} {result.target}'.rstrip()} at {number(result.offset_ms / 1e3, 2)} s of "
        f"{result.connect} x {result.write}: {result.interrupted} of {result.visits} visits "
        f"interrupted{back}; {result.within.lost} chunks lost"
        f"{f' ({causes})' if causes else ''}, {result.within.undetermined} undetermined"
    )
