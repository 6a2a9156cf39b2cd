"""A steering as people read it: what was learned, the matrix, the verdict, and the drawing."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from chunk7.commands.run import CROSSED, NOT_VALID
from chunk7.console import known_width, print_table
from chunk7.exploration import Finding, explored
from chunk7.instruments.steer.conditions import ConditionsHeld
from chunk7.instruments.steer.drawing import beside, drawn
from chunk7.instruments.steer.outcome import SteerLearning, SteerResult, SteerRow, SteerVerdict
from chunk7.instruments.steer.plan import SteerEvent
from chunk7.instruments.steer.rules import Role, Rule
from chunk7.simulator.explore.search import SearchLimits

PLAIN_WIDTH = 120
"""Columns of a table that goes to no terminal."""
FAILURES = ("loses", "unknown")
"""Verdicts that --fail-on may name."""
_STYLES = {"loses": "red", "keeps": "green", "infeasible": "dim", "undetermined": "yellow"}
_COUNTS = {
    "forced": "forced",
    "lossy": "lost",
    "doubled": "dup.",
    "out_of_order": "dis-\nord.",
    "undetermined": "unde-\nterm.",
    "lossy_elsewhere": "lost\nelsewhere",
    "late": "late",
    "unexpected": "unex-\npected",
}
"""By count, its heading; the last three only where there is one."""
_RARE = ("lossy_elsewhere", "late", "unexpected")


def equal_finding(result: SteerResult, chunks: int = 1, joiners: int = 1) -> Finding | None:
    """What the explorer says of the pair of ours that the system behaves like."""
    if result.pair is None:
        return None
    connect, write = result.pair
    return next(explored([connect], [write], [], chunks, joiners, SearchLimits()), None)


def show_learned(learned: SteerLearning, console: Console) -> None:
    """Each command and what it is; and the options that would state the same."""
    print_table(console, learned_table(learned), keep=2)
    if learned.rules.rules:
        console.print("\nStated by options:")
        for option in learned.rules.options():
            console.print(f"  {option}", soft_wrap=True, markup=False)


def learned_table(learned: SteerLearning) -> Table:
    """A row a rule. Fits into 80 columns where names are not long."""
    shown = _table()
    shown.add_column("command and name", overflow="fold")
    for heading in ("is the", "begins only after", "on connection"):
        shown.add_column(heading, no_wrap=True)
    for rule in learned.rules.rules:
        event = _event(rule, learned)
        after = sorted(str(a) for a, b in (*learned.join_keeps, *learned.write_keeps) if b == event)
        shown.add_row(str(rule), event, ", ".join(after) or "-", _connection(event, learned))
    return shown


def _event(rule: Rule, learned: SteerLearning) -> str:
    """A save and a publication in one transaction or script are one event."""
    one = {Role.SAVE, Role.PUBLISH, Role.APPEND}
    return "write" if rule.role in one and SteerEvent.WRITE in learned.write else str(rule.role)


def _connection(event: str, learned: SteerLearning) -> str:
    return next((text for one, text in learned.connections.items() if one == event), "?")


def show(result: SteerResult, console: Console, finding: Finding | None) -> None:
    """The matrix, the verdict, and the losing schedule beside the explorer's own."""
    print_table(console, matrix(result), keep=3)
    console.print()
    for line in sentences(result):
        console.print(line, soft_wrap=True, markup=False)
    if result.losing is not None:
        console.print()
        console.print(drawing(result, finding, known_width()), end="", soft_wrap=True, markup=False)


def matrix(result: SteerResult) -> Table:
    """A row a schedule that the app allows, and one for each reason why others are infeasible.

    `orders` are those that a row stands for: the schedule that was forced, and its equivalents.
    """
    shown = _table()
    shown.add_column("schedule", overflow="fold")
    shown.add_column("orders", justify="right", no_wrap=True)
    shown.add_column("outcome", no_wrap=True)
    totals = sum((Counter(row.counts) for row in result.rows), Counter())
    counts = [name for name in _COUNTS if name not in _RARE or totals[name]]
    for name in counts:
        shown.add_column(_COUNTS[name], justify="right", no_wrap=True)
    for row in result.rows:
        if row.infeasible is None:
            shown.add_row(*_row(row, counts), style=_STYLES[_outcome(row)])
    for reason, orders in _infeasible(result).items():
        shown.add_row(reason, str(orders), "infeasible", style=_STYLES["infeasible"])
    return shown


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _row(row: SteerRow, counts: Sequence[str]) -> list[str]:
    numbers = row.counts
    tries = f"{numbers['forced']}/{numbers['tries']}"
    shown = {**{name: str(numbers[name]) for name in counts}, "forced": tries}
    named = [row.schedule.key, str(row.planned.equivalents + 1), _outcome(row)]
    return [*named, *(shown[name] for name in counts)]


def _outcome(row: SteerRow) -> str:
    if row.lossy:
        return "loses"
    return "keeps" if row.kept else "undetermined"


def _infeasible(result: SteerResult) -> Counter[str]:
    """By reason, the orders that it forbids."""
    found: Counter[str] = Counter()
    for row in result.rows:
        if row.infeasible is not None:
            found[row.infeasible] += row.planned.equivalents + 1
    return found


def drawing(result: SteerResult, finding: Finding | None, width: int | None = None) -> str:
    """The losing schedule, and the explorer's counter-example of the pair it equals; '' if none."""
    if result.losing is None:
        return ""
    ours = drawn(result.losing, result.target)
    theirs = [] if finding is None else [finding.examples[kind][1] for kind in finding.by_default]
    return beside(ours, theirs[0], width) if theirs else ours.text(width)


def sentences(result: SteerResult) -> Iterator[str]:
    """The verdict and what supports it, a line each."""
    yield _verdict(result)
    for row in result.rows:
        if row.struck and row.lossy:
            yield f"With a fault, {row.schedule.key}: {_losses(row)}; no part of the verdict."
    for row in result.rows:
        for reason, tries in row.because.items():
            times = f"in {tries} of {row.counts['tries']} tries"
            yield f"undetermined: {row.schedule.key}: {reason}, {times}"
    natural = result.natural
    if natural is not None:
        low, high = 100 * natural.low, 100 * natural.high
        yield (
            f"Not steered, and without the proxy, {natural.lossy} of {natural.joins} joins lost "
            f"something: {100 * natural.rate:.1f}% ({low:.1f} to {high:.1f}%)."
        )
    if result.equals is not None:
        of_pair = f", of which explore says: {result.explored}" if result.explored else ""
        yield f"It behaves like {result.equals}{of_pair}."
    if disagree(result):
        yield "steer and explore DISAGREE: one of them has a bug, or the two are not alike."
    yield from result.notes


def _losses(row: SteerRow) -> str:
    chunks = ", ".join(
        f"chunk {chunk} in {tries} of {row.counts['forced']} forced tries"
        for chunk, tries in sorted(row.lost.items())
    )
    return f"loses {chunks}"


def disagree(result: SteerResult) -> bool:
    """Whether the explorer says the opposite of the pair that the system is like."""
    ours = {SteerVerdict.LOSES: "loses", SteerVerdict.SURVIVES: "lossless"}.get(result.verdict)
    return {ours, result.explored} == {"loses", "lossless"}


def _verdict(result: SteerResult) -> str:
    losing = result.losing
    if losing is not None:
        return f"{result.target} loses: {losing.schedule.key} {_losses(losing)}."
    infeasible = sum(row.infeasible is not None for row in result.rows)
    feasible = [row for row in result.rows if row.infeasible is None]
    if result.verdict is SteerVerdict.SURVIVES:
        tries = sum(row.counts["forced"] for row in feasible)
        if result.replayed:
            keys = "; ".join(row.schedule.key for row in feasible)
            return f"{result.target} keeps everything in {tries} forced tries of: {keys}."
        return (
            f"{result.target} {result.verdict}: {len(feasible)}, forced in {tries} tries; "
            f"{infeasible} infeasible."
        )
    kept = sum(row.kept for row in feasible)
    return (
        f"{result.target}: unknown: {kept} of {len(feasible)} feasible schedules kept everything, "
        f"of the others nobody knows; {infeasible} infeasible."
    )


def exit_code(result: SteerResult, fail_on: Sequence[str], held: ConditionsHeld) -> int:
    """0 held, 99 a threshold crossed or a verdict that was not to be, 98 it cannot be told.

    Says on stderr which thresholds are not held.
    """
    for sentence in held.crossed:
        sys.stderr.write(f"threshold crossed: {sentence}\n")
    for sentence in held.unknown:
        sys.stderr.write(f"threshold unknown: {sentence}\n")
    if result.verdict.name.lower() in fail_on:
        return CROSSED
    if held.unknown or result.verdict is SteerVerdict.UNKNOWN:
        return NOT_VALID
    return CROSSED if held.crossed else 0
