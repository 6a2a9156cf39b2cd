"""Thresholds on results: `loss_rate_high<=0.05`, `window_ms.p95<30`, `causes.tail==0`.

The idea is k6's: say on the command line what must hold, and get an exit code. A threshold may be
restricted to a cell (`buffered_merge x atomic_lua: chunks_lost==0`) or a connect ordering
(`buffered_merge: chunks_lost==0`); otherwise it must hold in every cell.

A loss rate that was measured is no bound: 60 connections without a loss leave 6% possible. So the
number to hold is `loss_rate_high`, the upper end of the interval. A limit on `loss_rate` that the
interval does not keep to is said to be unproven.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from chunk7.analysis.conditions import OPERATORS, parse_condition
from chunk7.delivery.verdicts import Cause
from chunk7.wire.account import Explored, Quantiles

if TYPE_CHECKING:  # it brings pandas: a run starts before it is there
    from chunk7.analysis.results import Result

_EXAMPLES = "'loss_rate_high<=0.05' or 'buffered_merge x atomic_lua: chunks_lost==0'"


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on a metric. `connect` and `write` restrict it, None to any."""

    text: str
    metric: str
    operator: str
    limit: float
    connect: str | None = None
    write: str | None = None

    def concerns(self, result: "Result") -> bool:
        """Whether it says anything about this cell."""
        return self.connect in (None, result.connect) and self.write in (None, result.write)

    @property
    def bound(self) -> float | None:
        """What it says the loss rate stays below, strictly between 0 and 1; else None.

        Exactly 0 is a count, not a bound: no number of connections could prove it.
        """
        is_bound = self.metric in ("loss_rate", "loss_rate_high") and self.operator in ("<", "<=")
        return self.limit if is_bound and 0 < self.limit < 1 else None


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """One sentence for each cell in which a threshold was crossed, or could not be told.

    `unproven` are those of cells in which a bound on the loss rate held, and its interval exceeds
    it: the run was too small.
    """

    crossed: list[str]
    unknown: list[str]
    unproven: list[str] = field(default_factory=list)


def metrics() -> list[str]:
    """Every name that a threshold may use."""
    from chunk7.analysis.results import Result
    from chunk7.analysis.returns import COLUMNS

    names: list[str] = []
    for one in msgspec.structs.fields(Result):
        if one.type in (str, Explored | None):
            continue
        if one.type is Quantiles:
            names += [f"{one.name}.{part}" for part in Quantiles.__struct_fields__]
        elif one.name == "causes":
            names += [f"causes.{cause}" for cause in Cause]
        elif one.name == "returns":
            names += [f"returns.{column}" for column in COLUMNS]
        else:
            names.append(one.name)
    return names


def parse_threshold(text: str) -> Threshold:
    """Parse one; raises UsageError in one line that says what is wrong."""
    said = parse_condition(text, metrics(), _EXAMPLES)
    connect, _, write = said.cell.partition(" x ")
    return Threshold(
        text=said.text,
        metric=said.metric,
        operator=said.operator,
        limit=said.limit,
        connect=connect.strip() or None,
        write=write.strip() or None,
    )


def evaluate(thresholds: Sequence[Threshold], results: "Iterable[Result]") -> ThresholdOutcome:
    """Hold every threshold against every cell it concerns.

    One that concerns no cell, or whose metric is null, is unknown rather than held.
    """
    crossed, unknown, unproven, cells = [], [], [], list(results)
    for threshold in thresholds:
        concerned = [result for result in cells if threshold.concerns(result)]
        if not concerned:
            unknown.append(f"{threshold.text}: no such cell in this run")
        for result in concerned:
            value = _value(result, threshold.metric)
            if value is None:
                unknown.append(f"{result.name}: {threshold.metric} is unknown ({threshold.text})")
            elif not OPERATORS[threshold.operator](value, threshold.limit):
                crossed.append(f"{result.name}: {threshold.metric} is {value:g} ({threshold.text})")
            elif doubt := _doubt(threshold, result):
                unproven.append(f"{result.name}: {doubt} ({threshold.text})")
    return ThresholdOutcome(crossed, unknown, unproven)


def beyond_proof(threshold: Threshold, connections: int) -> int | None:
    """How many connections a cell, none of which loses anything, would prove the bound.

    None if so many as are planned can, or it is no bound.
    """
    if threshold.bound is None:
        return None
    needed = _units_needed(threshold.bound)
    return needed if needed > connections else None


def _units_needed(bound: float) -> int:
    # Imported here: it brings numpy, 0.1 s before a run's cluster, and few runs have a bound.
    from chunk7.wire.intervals import units_needed

    return units_needed(bound)


def _doubt(threshold: Threshold, result: "Result") -> str:
    """Why a bound that held is not proven; '' if it is, or is no bound."""
    high = result.loss_rate_high
    if threshold.bound is None or high is None or high <= threshold.bound:
        return ""
    needed = _units_needed(threshold.bound)
    more = f"; {needed:,} connections without a loss would do" if not result.chunks_lost else ""
    return f"loss_rate is {result.loss_rate:g}, but may be {high:.2g}{more}"


def _value(result: "Result", metric: str) -> float | None:
    name, _, part = metric.partition(".")
    whole = getattr(result, name)
    if name == "causes":
        return float(whole.get(part, 0))
    if name == "returns":  # nobody was away for any time where nobody was cut
        value = whole.get(part, None if part.startswith("away") else 0)
    else:
        value = getattr(whole, part) if part else whole
    return None if value is None else float(value)
