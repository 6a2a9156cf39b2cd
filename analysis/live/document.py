"""What is told of a load test while it runs: the answer to `GET /delivery`, and the log."""

from collections.abc import Sequence

from chunk7.analysis.live.judging import Judged, Live
from chunk7.analysis.totals import history, totals
from chunk7.wire.account import Account
from chunk7.wire.live import Document

BIN_S = 5.0
MOST_MOMENTS = 600
MOST_REASONS = 50


def document(live: Live, from_round: int, to_round: int | None = None) -> Document:
    """Of the rounds of the newest load test from this one on, or from this to that."""
    rounds = [
        each
        for each in of_newest_test(live.rounds, from_round)
        if to_round is None or each.number <= to_round
    ]
    kept = [judged.kept for judged in rounds if judged.kept is not None]
    against = _against(rounds, live.damaged)
    began_ns = rounds[0].began_ns if rounds else 0
    state = _state(rounds)
    return Document(
        state=state,
        round=rounds[-1].number if rounds else None,
        from_round=from_round,
        rounds=len(rounds),
        rounds_forgotten=live.forgotten,
        valid=not against,
        invalid_because=against,
        judged_at_unix_s=live.judged_at_unix_s,
        lag_s=live.lag_s,
        results=totals(kept),
        history=history(kept, began_ns, BIN_S, MOST_MOMENTS, state == "running"),
    )


def of_newest_test(rounds: Sequence[Judged], from_round: int) -> list[Judged]:
    """Rounds `from_round`.. of the load test that began last."""
    test = rounds[-1].test if rounds else 0
    return [each for each in rounds if each.test == test and each.number >= from_round]


def told(total: Account) -> str:
    """One line for the log."""
    low, high = percent(total.loss_rate_low), percent(total.loss_rate_high)
    unknown, of_all = total.chunks_undetermined, total.chunks_expected
    but = f", {unknown} of {of_all} undetermined" if unknown else ""
    return (
        f"{total.name}: {total.lossy_connections} of {total.connections} connections lost chunks "
        f"({percent(total.loss_rate)}%, {low} to {high}), {total.chunks_lost} chunks{but}; "
        f"law {total.chunks_lost_predicted:.1f}"
    )


def percent(share: float | None) -> str:
    """Whole from 10 on, else with two digits that count."""
    if share is None:
        return "-"
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.2g}"


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
