"""What must hold of a steering: thresholds on its metrics, and its JUnit document."""

from collections.abc import Sequence
from dataclasses import dataclass

from chunk7.analysis.conditions import Condition, parse_condition
from chunk7.analysis.junit_document import Case, junit_document
from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.outcome import METRICS, SteerResult, SteerRow

_EXAMPLES = "'lossy_schedules==0' or 'natural_loss_rate<=0.01'"


def parse_steer_threshold(text: str) -> Condition:
    """A threshold on a steering. Raises UsageError."""
    condition = parse_condition(text, METRICS, _EXAMPLES)
    if condition.cell:
        raise UsageError(f"threshold {text!r}: there are no cells here; write {_EXAMPLES}")
    return condition


@dataclass(frozen=True, slots=True)
class ConditionsHeld:
    """One sentence for each threshold that was crossed, or could not be told."""

    crossed: tuple[str, ...]
    unknown: tuple[str, ...]


def hold_conditions(conditions: Sequence[Condition], result: SteerResult) -> ConditionsHeld:
    """Every threshold against the result; one whose metric is null is unknown, not held.

    So is one on schedules or tries that holds while some could not be told.
    """
    told = [_told(condition, result) for condition in conditions]
    return ConditionsHeld(
        crossed=tuple(why for outcome, why in told if outcome == "failure"),
        unknown=tuple(why for outcome, why in told if outcome == "error"),
    )


def _told(condition: Condition, result: SteerResult) -> tuple[str, str]:
    """'', failure or error; and the sentence."""
    name = condition.metric
    value = result.metrics[name]
    if value is None:
        return "error", f"{name} is unknown ({condition.text})"
    if not condition.holds(value):
        return "failure", f"{name} is {value:g} ({condition.text})"
    open_ = result.metrics["undetermined_schedules"]
    may_rise = name.endswith("_tries") or name == "lossy_schedules"
    if open_ and may_rise and condition.operator in ("<", "<=", "=="):
        why = f"{name} is {value:g}, but {open_:g} schedules could not be told"
        return "error", f"{why} ({condition.text})"
    return "", f"{name} is {value:g}"


def junit(result: SteerResult, conditions: Sequence[Condition] = ()) -> bytes:
    """A case a threshold, or without any, a case a schedule: a loss is a failure, one that could
    not be told an error. An infeasible one passes, and says so.
    """
    cases = [_of_condition(one, result) for one in conditions] or [
        _of_row(row) for row in result.rows
    ]
    seconds = sum(one.seconds for row in result.rows for one in row.tries)
    properties = {
        "target": result.target, "verdict": result.verdict, "equals": result.equals,
        "write": result.write,
    }  # fmt: skip
    return junit_document(f"chunk7 steer {result.target}", cases, properties, seconds)


def _of_condition(condition: Condition, result: SteerResult) -> Case:
    outcome, sentence = _told(condition, result)
    kind = {"failure": "crossed", "error": "unknown", "": ""}[outcome]
    note = "" if outcome else sentence
    return Case("chunk7.thresholds", condition.text, outcome, kind, sentence, note)


def _of_row(row: SteerRow) -> Case:
    seconds = sum(one.seconds for one in row.tries)
    outcome, kind = ("failure", "lost") if row.lossy else ("error", "undetermined")
    if row.infeasible is not None or row.kept:
        outcome = kind = ""
    told = sentence(row)
    note = "" if outcome else told
    return Case("chunk7.steer", row.schedule.key, outcome, kind, told, note, seconds)


def sentence(row: SteerRow) -> str:
    """What a schedule came to, in words."""
    counts = row.counts
    if row.infeasible is not None:
        return f"infeasible: {row.infeasible}"
    parts = [f"forced in {counts['forced']} of {counts['tries']} tries"]
    parts += [f"chunk {chunk} lost in {tries}" for chunk, tries in sorted(row.lost.items())]
    words = {
        "lossy_elsewhere": "another chunk lost", "doubled": "doubled",
        "out_of_order": "out of order", "unexpected": "unexpected text", "late": "late",
    }  # fmt: skip
    parts += [f"{said} in {counts[name]}" for name, said in words.items() if counts[name]]
    parts += [f"undetermined in {tries}: {why}" for why, tries in row.because.items()]
    refused = [f"infeasible in {counts['infeasible']}"] if counts["infeasible"] else []
    return ", ".join([*parts, *refused])
