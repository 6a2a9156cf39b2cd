"""What is told of a load test while it runs: `GET /delivery`, as JSON and as CSV."""

import csv
import io
from collections.abc import Sequence

import msgspec

from analysis.results import Quantiles
from analysis.totals import Moment, Total, history, totals
from cluster.live import Judged, Live
from delivery.verdicts import Cause

BIN_S = 5.0
MOST_MOMENTS = 600
MOST_REASONS = 50


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """docs/live.md explains each field."""

    schema: int = 1
    state: str
    round: int | None
    from_round: int
    rounds: int
    rounds_forgotten: int
    valid: bool
    invalid_because: list[str]
    judged_at_unix_s: float
    lag_s: float
    results: list[Total]
    history: list[Moment]


def document(live: Live, from_round: int) -> Document:
    """Of the rounds of the newest load test from this one on."""
    rounds = of_newest_test(live.rounds, from_round)
    kept = [judged.kept for judged in rounds if judged.kept is not None]
    against = _against(rounds, live.damaged)
    began_ns = rounds[0].began_ns if rounds else 0
    return Document(
        state=_state(rounds),
        round=rounds[-1].number if rounds else None,
        from_round=from_round,
        rounds=len(rounds),
        rounds_forgotten=live.forgotten,
        valid=not against,
        invalid_because=against,
        judged_at_unix_s=live.judged_at_unix_s,
        lag_s=live.lag_s,
        results=totals(kept),
        history=history(kept, began_ns, BIN_S, MOST_MOMENTS),
    )


def of_newest_test(rounds: Sequence[Judged], from_round: int) -> list[Judged]:
    """Rounds `from_round`.. of the load test that began last."""
    test = rounds[-1].test if rounds else 0
    return [each for each in rounds if each.test == test and each.number >= from_round]


def told(total: Total) -> str:
    """One line for the log."""
    low, high = percent(total.loss_rate_low), percent(total.loss_rate_high)
    return (
        f"{total.name}: {total.lossy_connections} of {total.connections} connections lost chunks "
        f"({percent(total.loss_rate)}%, {low} to {high}), {total.chunks_lost} chunks; "
        f"law {total.chunks_lost_predicted:.1f}"
    )


def percent(share: float) -> str:
    """Whole from 10 on, else with two digits that count."""
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.2g}"


def as_csv(results: Sequence[Total]) -> str:
    """The results as RFC 4180 has it: a row a pair, quantiles and causes in columns of their own.

    A quantile that is not known is empty, a cause that did not occur 0.
    """
    plain = [name for name in Total.__struct_fields__ if name not in (*_QUANTILES, "causes")]
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in CR LF
    writer.writerow(
        [
            *plain,
            *(f"{name}_{quantile}" for name in _QUANTILES for quantile in _OF_EACH),
            *(f"lost_by_{cause.value}" for cause in Cause),
        ]
    )
    for total in results:
        spread = [getattr(getattr(total, name), q) for name in _QUANTILES for q in _OF_EACH]
        causes = [total.causes.get(cause.value, 0) for cause in Cause]
        writer.writerow([*(getattr(total, name) for name in plain), *spread, *causes])
    return text.getvalue()


_QUANTILES = ("window_ms", "gap_ms", "join_ms")
_OF_EACH = Quantiles.__struct_fields__


def _state(rounds: Sequence[Judged]) -> str:
    if not rounds:
        return "idle"
    return "over" if all(judged.over for judged in rounds) else "running"


def _against(rounds: Sequence[Judged], damaged: Sequence[str]) -> list[str]:
    """Every reason once; of several rounds each names its own. The newest MOST_REASONS."""
    lines = [
        line if len(rounds) == 1 or line in damaged else f"round {judged.number}: {line}"
        for judged in rounds
        for line in judged.invalid_because
    ]
    return list(dict.fromkeys([*lines, *damaged]))[-MOST_REASONS:]
