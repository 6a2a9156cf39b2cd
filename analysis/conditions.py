"""The grammar of thresholds: `[CELL:] METRIC OPERATOR NUMBER`, whatever the metrics are of."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chunk7.delivery.errors import UsageError

OPERATORS: dict[str, Callable[[float, float], bool]] = {
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
class Condition:
    """A threshold as it was written; `cell` is '' where it is of all."""

    text: str
    cell: str
    metric: str
    operator: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether the metric's value is as it must be."""
        return OPERATORS[self.operator](value, self.limit)


def parse_condition(text: str, metrics: Sequence[str], examples: str) -> Condition:
    """Parse one; raises UsageError in one line that says what is wrong."""
    form = _FORM.match(text.strip())
    if form is None:
        raise UsageError(
            f"threshold {text!r}: write METRIC, one of {' '.join(OPERATORS)}, and a number, "
            f"such as {examples}"
        )
    if form["metric"] not in metrics:
        allowed = ", ".join(metrics)
        raise UsageError(f"threshold {text!r}: no metric {form['metric']!r}; one of {allowed}")
    return Condition(
        text.strip(),
        (form["cell"] or "").strip(),
        form["metric"],
        form["operator"],
        _limit(text, form["limit"]),
    )


def _limit(text: str, number: str) -> float:
    try:
        limit = float(number)
    except ValueError:
        limit = float("nan")
    if limit != limit:
        raise UsageError(f"threshold {text!r}: {number!r} is not a number")
    return limit
