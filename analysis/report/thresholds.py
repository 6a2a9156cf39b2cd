"""The run's thresholds against each cell, one by one: for the page's table and for JUnit."""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.report.table import Column, Table, worded
from chunk7.analysis.results import Result, Summary
from chunk7.analysis.study import Study
from chunk7.analysis.thresholds import Threshold, evaluate, parse_threshold

HELD, UNPROVEN, CROSSED, UNKNOWN = "held", "held, not proven", "crossed", "unknown"


@dataclass(frozen=True, slots=True)
class Held:
    """One threshold and one cell that it concerns; `cell` is '' for one that concerns none.

    `outcome` is held, unproven (it held, but the run was too small to prove it), crossed or
    unknown; `sentence` says why unless it held.
    """

    threshold: str
    cell: str
    outcome: str
    sentence: str


def of_manifest(study: Study) -> list[Threshold]:
    """Those that the run was started with. Raises UsageError for what a stranger wrote there."""
    settings = study.run.manifest.extra.get("settings")
    texts = settings.get("thresholds") if isinstance(settings, dict) else None
    return [parse_threshold(str(text)) for text in texts or ()]


def hold(thresholds: Sequence[Threshold], results: Sequence[Result]) -> list[Held]:
    """Every threshold against every cell that it concerns, in their orders."""
    return [_held(t, result) for t in thresholds for result in _concerned(t, results)]


def _concerned(threshold: Threshold, results: Sequence[Result]) -> list[Result | None]:
    concerned = [result for result in results if threshold.concerns(result)]
    return [*concerned] or [None]


def _held(threshold: Threshold, result: Result | None) -> Held:
    outcome = evaluate([threshold], [] if result is None else [result])
    name = "" if result is None else result.name
    if outcome.crossed:
        return Held(threshold.text, name, CROSSED, outcome.crossed[0])
    if outcome.unknown:
        return Held(threshold.text, name, UNKNOWN, outcome.unknown[0])
    if outcome.unproven:
        return Held(threshold.text, name, UNPROVEN, outcome.unproven[0])
    return Held(threshold.text, name, HELD, "")


def thresholds_table(held: Sequence[Held], summary: Summary) -> Table | None:
    """A row a threshold and cell; None without thresholds."""
    if not held:
        return None
    columns = [Column(title, numeric=False) for title in ("threshold", "cell", "outcome", "why")]
    marks = {HELD: "keeps", UNPROVEN: "lucky", CROSSED: "loses", UNKNOWN: "unknown"}
    doubt = "" if summary.valid else "the run is not valid"
    rows = [
        [
            worded(one.threshold),
            worded(one.cell or "no such cell"),
            worded(one.outcome, doubt, marks[one.outcome] if summary.valid else "unknown"),
            worded(one.sentence),
        ]
        for one in held
    ]
    return Table("What had to hold", columns, rows)
