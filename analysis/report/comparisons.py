"""The orderings of a run against each other, as tables of the report."""

import math
from typing import Any

from chunk7.analysis.comparison import METRICS, NO_EVIDENCE, NOT_VALID, compare_orderings
from chunk7.analysis.report.table import Column, Shown, Table, numeric, worded
from chunk7.analysis.report.words import NOTHING, number
from chunk7.analysis.study import Study

_LESS = {
    "loss_rate": "loses less", "duplicates": "doubles less", "join_ms": "joins faster",
}  # fmt: skip
"""What METRICS say, of the lesser one."""


def comparison_tables(study: Study) -> list[Table]:
    """Every cell against the run's first one, and then every pair; none without common joins."""
    pairs = _pairs(study)
    if len(study.summary.results) <= 2:
        return [pairs] if pairs.rows else []
    return [_against(study, study.summary.results[0].name), pairs] if pairs.rows else []


def _against(study: Study, baseline: str) -> Table:
    """A row a cell: what it does better or worse than the baseline, metric by metric."""
    columns = [Column("cell", numeric=False)]
    columns += [
        Column("loss rate, points", "share of lossy connections, less that of the baseline"),
        Column("loses", "after correction for the number of cells", numeric=False),
        Column("duplicates per connection", "less those of the baseline"),
        Column("doubles", numeric=False),
        Column("join, ms", "median difference of the pairs"),
        Column("joins", numeric=False),
    ]
    table = compare_orderings(study, baseline)
    rows = []
    for result in study.summary.results:
        if result.name == baseline:
            continue
        fields = [worded(result.connect, f"x {result.write}")]
        for metric in METRICS:
            found = table[(table["b"] == result.name) & (table["metric"] == metric)]
            row: dict[str, Any] = found.iloc[0].to_dict() if len(found) else {}
            fields += _difference(row, "b") if row else [numeric(None), worded(NOTHING)]
        rows.append(fields)
    return Table(f"Every cell against {baseline}", columns, rows)


def _pairs(study: Study) -> Table:
    """A row a pair of cells: who loses more."""
    columns = [
        Column("A", numeric=False),
        Column("B", numeric=False),
        Column("pairs", "joins that both met"),
        Column("only A lost", "pairs in which only A's connection lost something"),
        Column("only B lost", "pairs in which only B's connection lost something"),
        Column("A - B, points", "difference of the loss rates, with its 95% interval"),
        Column("A", "than B, after correction for the number of pairs", numeric=False),
        Column("p", "McNemar's exact test, corrected (Holm)"),
    ]
    table = compare_orderings(study)
    rows = [
        [
            worded(row["a"]),
            worded(row["b"]),
            numeric(row["pairs"]),
            numeric(row["only_a"]),
            numeric(row["only_b"]),
            *_difference(row, "a"),
            numeric(row["p_adjusted"], 4),
        ]
        for row in table[table["metric"] == "loss_rate"].to_dict("records")
    ]
    return Table("Loss rates, every pair", columns, rows)


def _difference(row: dict[str, Any], of: str) -> list[Shown]:
    """The difference with its interval, and the verdict, as `of` (a or b) sees them."""
    metric = row["metric"]
    scale, digits = (100, 1) if metric == "loss_rate" else (1, 2)
    sign = scale if of == "a" else -scale
    value = sign * row["difference"]
    low, high = sorted((sign * row["low"], sign * row["high"]))
    shown = Shown(
        _signed(value, digits), value, f"{_signed(low, digits)} to {_signed(high, digits)}"
    )
    return [shown, _verdict(row["verdict"], metric, value)]


def _verdict(verdict: str, metric: str, value: float) -> Shown:
    if verdict in (NO_EVIDENCE, NOT_VALID):
        return worded(verdict)
    if value > 0:
        return worded(METRICS[metric], mark="loses")
    return worded(_LESS[metric], mark="keeps")


def _signed(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return NOTHING
    text = number(value, digits)
    return (
        f"+{text}"
        if float(text.replace(",", "")) > 0
        else (text if float(text.replace(",", "")) else number(0.0, digits))
    )
