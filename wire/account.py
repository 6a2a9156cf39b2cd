"""What a pair of orderings came to: the one record of it, whoever counts.

A run's result, a simulated cell and the total of a running load test state the same things, so that
tables, reports, sweeps and thresholds can take any of them. docs/results.md explains the fields.
"""

from typing import Literal

import msgspec

MOST_UNDETERMINED = 0.05
"""Of the expected chunks. With more of them unknown, that none was lost says nothing."""


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """What the interleavings of a few chunks say of a pair, whatever happened while it was counted.

    `verdict` is that of `chunk7 explore`: unknown where its bound was reached before a loss was
    found. `command` explores the pair again and draws how it loses.
    """

    verdict: Literal["lossless", "loses", "unknown"]
    chunks: int
    command: str


class Quantiles(msgspec.Struct, frozen=True):
    """Of raw values, linearly interpolated; null when there are none."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One connect x write pair's connections, what became of their chunks, and what was predicted.

    Predictions are null where nothing is known of the joins: those of somebody else's back end.
    `loss_rate` and its interval, by session, are null without connections. Accounts cross-foot:
    expected = delivered + lost + undetermined.
    """

    connect: str
    write: str
    connections: int
    lossy_connections: int
    loss_rate: float | None
    loss_rate_low: float | None
    loss_rate_high: float | None
    chunks_expected: int
    chunks_delivered: int
    chunks_lost: int
    chunks_undetermined: int
    chunks_duplicate: int
    chunks_out_of_order: int
    chunks_unexpected: int
    chunks_fetched: int
    rewinds: int | None = None
    """None in a summary that was written before they were counted."""
    chunks_lost_predicted: float | None
    chunks_lost_predicted_low: float | None
    chunks_lost_predicted_high: float | None
    window_ms: Quantiles
    gap_ms: Quantiles
    join_ms: Quantiles
    causes: dict[str, int]
    explored: Explored | None = None
    """None where nobody has explored the pair: somebody else's back end, or an older summary."""

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.connect} x {self.write}"

    @property
    def can_be_judged(self) -> bool:
        """Whether enough is known of its chunks to say that none was lost."""
        return 0 < self.chunks_expected >= self.chunks_undetermined / MOST_UNDETERMINED


class CellAccount(Account, frozen=True, kw_only=True):
    """Of a whole cell, measured or simulated, with what the law says of each price."""

    loss_rate_design_effect: float | None = None
    chunks_duplicate_predicted: float | None
    chunks_duplicate_predicted_low: float | None
    chunks_duplicate_predicted_high: float | None
    chunks_fetched_predicted: float | None
    chunks_fetched_predicted_low: float | None
    chunks_fetched_predicted_high: float | None
    chunk_latency_ms: Quantiles
