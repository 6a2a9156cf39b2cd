"""Verdicts, causes and numbers in the words of the report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.conclusion import Standing, standing
from chunk7.analysis.results import Result, Summary
from chunk7.delivery.verdicts import Cause

NOTHING = "-"
"""Stands where there is no number."""

_NAMED = 12
"""Cells that are named before it is said how many more there are."""

MARKS = {
    Standing.LOSES: "loses",
    Standing.LUCKY: "lucky",
    Standing.KEEPS: "keeps",
    Standing.UNKNOWN: "unknown",
}
"""As `chunk7.analysis.report.table.Shown` has them."""
MARKS_BY_WORST = ("loses", "unknown", "lucky", "keeps")

_TITLES = {
    Standing.LOSES: "Lost chunks",
    Standing.LUCKY: "Lost none here, can lose",
    Standing.KEEPS: "Lost none (with the 95% bound on what they may)",
    Standing.UNKNOWN: "Cannot be judged",
}

CAUSES: dict[str, tuple[str, str]] = {
    Cause.HANDOVER_GAP: (
        "handover gap",
        "published after the node had read the history and before its subscription took effect: "
        "too late for the one, too early for the other",
    ),
    Cause.SAVE_LAG: (
        "save lag",
        "published before the subscription took effect, and saved only after the node had read "
        "the history: the producer publishes before it saves",
    ),
    Cause.UNCONFIRMED_SUBSCRIBE: (
        "unconfirmed subscribe",
        "SUBSCRIBE was sent before the history was read but took effect after it: nothing waited "
        "for the store's confirmation",
    ),
    Cause.STORE_RECONNECT: (
        "store reconnect",
        "published while the node had no connection to the store",
    ),
    Cause.STORE_REPLACED: (
        "store replaced",
        "another server took the store's place with less than was in it: it no longer had the "
        "chunk as the history was read, or gave the chunk a number that the client already knew",
    ),
    Cause.DEAF_NODE: (
        "deaf node",
        "published while the node was subscribed, heard nothing, and did not notice",
    ),
    Cause.STALE_READ: (
        "stale read",
        "saved before the history was read, and not in it: the read was answered by a replica "
        "that lagged behind",
    ),
    Cause.SLOW_CLIENT: (
        "slow client",
        "the node closed the connection, because the client did not keep up",
    ),
    Cause.TRIMMED: (
        "trimmed",
        "already gone from the history or stream as it was read",
    ),
    Cause.TAIL: (
        "tail",
        "last of what the client could know of: no later number came that would show the hole",
    ),
    Cause.NODE_GONE: (
        "node gone",
        "the node died or drained while the client still wanted chunks",
    ),
    Cause.UNKNOWN: (
        "unknown",
        "no rule fits what was recorded; of somebody else's back end that is only what its clients "
        "received, and `chunk7 watch` may see more",
    ),
}
"""By cause: its name, and what happened."""


def mark_of(result: Result, valid: bool) -> str:
    """MARKS, but that nothing is good news in a run that is not valid."""
    kind = standing(result)
    return MARKS[Standing.UNKNOWN if kind is Standing.KEEPS and not valid else kind]


def mark_of_run(summary: Summary) -> str:
    """Of the headline: the worst outcome of any cell."""
    marks = {mark_of(result, summary.valid) for result in summary.results}
    return next((mark for mark in MARKS_BY_WORST if mark in marks), MARKS[Standing.UNKNOWN])


def headline(summary: Summary) -> str:
    """What came out, in a line, which says so if the run is not valid."""
    seen = _seen(summary.results)
    return seen if summary.valid else f"Not valid: {seen[0].lower()}{seen[1:]}"


def _seen(results: Sequence[Result]) -> str:
    lossy = [result for result in results if standing(result) is Standing.LOSES]
    if not results:
        return "Nothing was measured"
    if len(lossy) == len(results) == 1:
        return f"{results[0].name} loses chunks"
    if lossy:
        return f"{len(lossy)} of {_count(len(results), 'cell')} lost chunks"
    unknown = [result for result in results if standing(result) is Standing.UNKNOWN]
    if unknown:
        return f"{len(unknown)} of {_count(len(results), 'cell')} cannot be judged"
    none = f"No chunk was lost in {_count(len(results), 'cell')}"
    lucky = [result for result in results if standing(result) is Standing.LUCKY]
    return f"{none}, but {len(lucky)} can lose" if lucky else none


@dataclass(frozen=True, slots=True)
class Group:
    """Cells with one verdict: (name, note) of the first few, and how many `more` there are."""

    mark: str
    title: str
    cells: list[tuple[str, str]]
    more: int


def lede(summary: Summary) -> list[Group]:
    """Which cells lost what, the worst first, and which did not."""
    groups = []
    for kind, title in _TITLES.items():
        found = [result for result in summary.results if standing(result) is kind]
        found.sort(key=lambda result: -(result.loss_rate or 0))
        if found:
            named = [(result.name, _note(result)) for result in found[:_NAMED]]
            mark = mark_of(found[0], summary.valid)
            groups.append(Group(mark, title, named, len(found) - len(named)))
    return groups


def _note(result: Result) -> str:
    match standing(result):
        case Standing.LOSES:
            lost = _count(result.chunks_lost, "chunk")
            return f"{lost}, {percent(result.loss_rate)} of connections"
        case Standing.KEEPS | Standing.LUCKY:
            return f"at most {percent(result.loss_rate_high)}{_how_sure(result)}"
        case Standing.UNKNOWN:
            return ""


def _how_sure(result: Result) -> str:
    """Nothing where every interleaving was explored."""
    if result.explored is None:
        return ", not explored"
    return ", explored in part" if result.explored.verdict == "unknown" else ""


def validity(summary: Summary) -> str:
    """Whether to believe it."""
    if summary.valid:
        return "This run is valid: every check of its records held."
    return "This run is NOT VALID. It proves nothing, whatever its numbers are, because:"


def number(value: float | None, digits: int = 1) -> str:
    """With thousands separated and `digits` after the point; `NOTHING` for None and NaN."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}"


def percent(share: float | None) -> str:
    """Two significant digits, whole ones from 10% on."""
    if share is None or not math.isfinite(share):
        return NOTHING
    value = 100 * share
    return f"{value:.0f}%" if value >= 9.95 else f"{float(f'{value:.2g}'):g}%"


def _count(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
