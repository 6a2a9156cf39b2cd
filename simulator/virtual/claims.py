"""The bug report's numbers, and what the law says of them. `docs/seed-claims.md` is their page.

The report gives a window of 10 to 50 ms, and the share of connections that lose something as 0.1
to 1% (single node, low load), 5 to 10% (multi-node, high load), and 1 to 10% in its conclusion. It
gives neither the chunk rate nor how many clients join while an answer streams. The law ties them:

    P = duty * (1 - exp(-rate * G))          Poisson chunks
    P = duty * min(1, rate * G)              evenly spaced chunks

with G = W here, publication and save taken as one: the report's own producer publishes first, which
adds its save lag to G.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WINDOWS_MS = (10.0, 50.0)
RATES = (1.0, 5.0, 20.0, 50.0, 100.0)
"""Chunks a second: from a slow report in sentences to a fast model in tokens."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Between `low` and `high` of connections lose something, with this window."""

    title: str
    low: float
    high: float
    window_ms: float


LOW_LOAD = Claim("single node, low load", 0.001, 0.01, 10.0)
HIGH_LOAD = Claim("multi-node, high load", 0.05, 0.10, 50.0)
CONCLUSION = Claim("conclusion", 0.01, 0.10, 50.0)


def loss_probability(rate: float, gap_ms: float) -> float:
    """P that a client which joins while the answer streams loses something; Poisson chunks."""
    return -math.expm1(-rate * max(0.0, gap_ms) / 1_000)


def loss_probability_even(rate: float, gap_ms: float) -> float:
    """The same for evenly spaced chunks."""
    return min(1.0, rate * max(0.0, gap_ms) / 1_000)


def implied_duty(claimed: float, while_streaming: float) -> float | None:
    """The fraction of joins that must fall into an answer for `claimed` to be the overall rate.

    None when even all of them would not do.
    """
    return claimed / while_streaming if 0 < claimed <= while_streaming else None


def implied_rate(claimed: float, gap_ms: float) -> float:
    """Chunks a second for which `claimed` is the rate with a duty of 1; Poisson chunks.

    gap_ms > 0, 0 <= claimed < 1.
    """
    return -math.log1p(-claimed) / gap_ms * 1_000


def streaming_table() -> str:
    """Share of the clients that join a streaming answer and lose something, as Markdown."""
    return _markdown(
        ["chunks/s", *(f"{w:g} ms, {kind}" for w in WINDOWS_MS for kind in ("Poisson", "even"))],
        [
            [
                f"{rate:g}",
                *(
                    _percent(law(rate, window))
                    for window in WINDOWS_MS
                    for law in (loss_probability, loss_probability_even)
                ),
            ]
            for rate in RATES
        ],
    )


def duty_table() -> str:
    """Duty that each claim needs, by chunk rate, as Markdown."""
    return _markdown(
        ["chunks/s", f"{LOW_LOAD.title}, 10 ms", f"{HIGH_LOAD.title}, 50 ms"],
        [
            [f"{rate:g}", *(_duties(claim, rate) for claim in (LOW_LOAD, HIGH_LOAD))]
            for rate in RATES
        ],
    )


def rate_table() -> str:
    """Chunk rate that each claim needs if every client joins while an answer streams."""
    return _markdown(
        ["claim", "window", "share of connections", "chunks/s"],
        [
            [
                claim.title,
                f"{window:g} ms",
                f"{_percent(claim.low)} to {_percent(claim.high)}",
                f"{implied_rate(claim.low, window):.2f} to {implied_rate(claim.high, window):.2f}",
            ]
            for claim in (LOW_LOAD, HIGH_LOAD, CONCLUSION)
            for window in WINDOWS_MS
        ],
    )


def both_table() -> str:
    """What a duty that gives exactly 1% at 10 ms gives at 50 ms, by chunk rate."""
    rows = []
    for rate in RATES:
        duty = implied_duty(LOW_LOAD.high, loss_probability(rate, LOW_LOAD.window_ms))
        share = "-" if duty is None else _percent(duty * loss_probability(rate, 50.0))
        rows.append([f"{rate:g}", "-" if duty is None else _percent(duty), share])
    return _markdown(["chunks/s", "duty for 1% at 10 ms", "share at 50 ms"], rows)


def _duties(claim: Claim, rate: float) -> str:
    while_streaming = loss_probability(rate, claim.window_ms)
    duties = [implied_duty(share, while_streaming) for share in (claim.low, claim.high)]
    low, high = ("impossible" if duty is None else _percent(duty) for duty in duties)
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    """Three digits, such as 39.3%, 0.995%, 100%."""
    return f"{100 * share:.3g}%"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
