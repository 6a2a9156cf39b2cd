"""Thresholds on results: `loss_rate<=0.001`, `window_ms.p95<30`, `causes.tail==0`.

The idea is k6's: say on the command line what must hold, and get an exit code. A threshold may be
restricted to a cell (`buffered_merge x atomic_lua: chunks_lost==0`) or a connect ordering
(`buffered_merge: chunks_lost==0`); otherwise it must hold in every cell.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from chunk7.analysis.results import Result
from chunk7.delivery.errors import UsageError
from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import Explored, Quantiles

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(
    r"^(?:(?P<cell>[^:<>=]+(?:\.py:\w+)?(?: x [^:<>=]+(?:\.py:\w+)?)?):\s*)?"
    r"(?P<metric>[a-z0-9_.]+)\s*(?P<operator><=|>=|==|<|>)\s*(?P<limit>[^\s<>=]+)$"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on a metric. `connect` and `write` restrict it, None to any."""

    text: str
    metric: str
    operator: str
    limit: float
    connect: str | None = None
    write: str | None = None

    def concerns(self, result: Result) -> bool:
        """Whether it says anything about this cell."""
        return self.connect in (None, result.connect) and self.write in (None, result.write)


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """One sentence for each cell in which a threshold was crossed, or could not be told."""

    crossed: list[str]
    unknown: list[str]


def metrics() -> list[str]:
    """Every name that a threshold may use."""
    names: list[str] = []
    for field in msgspec.structs.fields(Result):
        if field.type in (str, Explored | None):
            continue
        if field.type is Quantiles:
            names += [f"{field.name}.{part}" for part in Quantiles.__struct_fields__]
        elif field.name == "causes":
            names += [f"causes.{cause}" for cause in Cause]
        else:
            names.append(field.name)
    return names


def parse_threshold(text: str) -> Threshold:
    """Parse one; raises UsageError in one line that says what is wrong."""
    form = _FORM.match(text.strip())
    if form is None:
        raise UsageError(
            f"threshold {text!r}: write METRIC, one of {' '.join(_OPERATORS)}, and a number, "
            "such as 'loss_rate<=0.001' or 'buffered_merge x atomic_lua: chunks_lost==0'"
        )
    metric = form["metric"]
    if metric not in metrics():
        raise UsageError(f"threshold {text!r}: no metric {metric!r}; one of {', '.join(metrics())}")
    connect, _, write = (form["cell"] or "").partition(" x ")
    return Threshold(
        text=text.strip(),
        metric=metric,
        operator=form["operator"],
        limit=_limit(text, form["limit"]),
        connect=connect.strip() or None,
        write=write.strip() or None,
    )


def evaluate(thresholds: Sequence[Threshold], results: Iterable[Result]) -> ThresholdOutcome:
    """Hold every threshold against every cell it concerns.

    One that concerns no cell, or whose metric is null, is unknown rather than held.
    """
    crossed, unknown, cells = [], [], list(results)
    for threshold in thresholds:
        concerned = [result for result in cells if threshold.concerns(result)]
        if not concerned:
            unknown.append(f"{threshold.text}: no such cell in this run")
        for result in concerned:
            value = _value(result, threshold.metric)
            if value is None:
                unknown.append(f"{result.name}: {threshold.metric} is unknown ({threshold.text})")
            elif not _OPERATORS[threshold.operator](value, threshold.limit):
                crossed.append(f"{result.name}: {threshold.metric} is {value:g} ({threshold.text})")
    return ThresholdOutcome(crossed, unknown)


def _limit(text: str, number: str) -> float:
    try:
        limit = float(number)
    except ValueError:
        limit = float("nan")
    if limit != limit:
        raise UsageError(f"threshold {text!r}: {number!r} is not a number")
    return limit


def _value(result: Result, metric: str) -> float | None:
    name, _, part = metric.partition(".")
    whole = getattr(result, name)
    if name == "causes":
        return float(whole.get(part, 0))
    value = getattr(whole, part) if part else whole
    return None if value is None else float(value)
