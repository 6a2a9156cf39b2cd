"""What a simulated cell comes to: the fields of `chunk7 run --json`, from either engine.

An engine gives an `BlockOutcome` for each block of connections; `Tally` adds them up.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.distributions import Durations
from chunk7.simulator.virtual.expected import ExpectedChunks, SimulatedExpectation
from chunk7.simulator.virtual.population import Integers
from chunk7.simulator.virtual.settings import SimulationSettings
from chunk7.wire.account import CellAccount, Quantiles
from chunk7.wire.intervals import clustered_share
from chunk7.wire.quantiles import quantiles


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """What happened to a block's connections. Arrays have shape (count,).

    `window_ms` is the W of the law, 0 for a stream's cursor, nan without read or subscription.
    `join_ms` runs from the join to the welcome, nan without one.
    """

    session: Integers
    lost: Integers
    duplicate: Integers
    out_of_order: Integers
    rewinds: Integers
    fetched: Integers
    window_ms: Durations
    join_ms: Durations
    causes: dict[str, int]


SAMPLE = 1_000_000
"""Quantiles and predictions come from about the first so many connections, counts from all.
Connections are alike, so these stand for the rest, and memory does not grow."""


class Tally:
    """Sums a cell's outcomes."""

    def __init__(
        self,
        settings: SimulationSettings,
        timelines: Sequence[Timeline],
        *,
        fills: bool,
        merges: bool,
    ) -> None:
        self._timelines = timelines
        self._fills = fills
        self._merges = merges
        self._chunks = np.array([timeline.chunks for timeline in timelines], dtype=np.int64)
        self._lags = np.array([_median_lag(timeline) for timeline in timelines])
        self._law = ExpectedChunks(settings, timelines)
        self._units = np.zeros(len(timelines), dtype=np.int64)
        self._lossy = np.zeros(len(timelines))
        self._counts: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._samples: dict[str, list[NDArray[np.float32]]] = {"window": [], "gap": [], "join": []}

    def add(self, outcome: BlockOutcome) -> None:
        """Take in a block."""
        self._counts["connections"] += len(outcome.lost)
        self._units += np.bincount(outcome.session, minlength=len(self._units))
        self._lossy += np.bincount(outcome.session, outcome.lost > 0, len(self._lossy))
        self._counts["expected"] += int(self._chunks[outcome.session].sum())
        self._counts["lost"] += int(outcome.lost.sum())
        self._counts["duplicate"] += int(outcome.duplicate.sum())
        self._counts["out_of_order"] += int(outcome.out_of_order.sum())
        self._counts["rewinds"] += int(outcome.rewinds.sum())
        self._counts["fetched"] += int(outcome.fetched.sum())
        self._causes.update(outcome.causes)
        if self._law.count < SAMPLE:
            self._sample(outcome)

    def _sample(self, outcome: BlockOutcome) -> None:
        self._law.add(outcome.window_ms)
        for name, values in (
            ("window", outcome.window_ms),
            ("gap", outcome.window_ms + self._lags[outcome.session]),
            ("join", outcome.join_ms),
        ):
            self._samples[name].append(values.astype(np.float32))

    def result(self, connect: str, write: str) -> CellAccount:
        """The cell; `connect` and `write` name it.

        The interval of the loss rate is by session: clients of one answer share its chunks, and so
        do those of its later waves. A connection's gap is its W and the median L of its session.
        Quantiles are null where nothing could be measured: no window without a subscription, no L
        for a chunk that is published or saved more than once. Nothing is undetermined or unexpected
        in virtual time. Holes that the client fetches are predicted as fetched, not as lost;
        overlaps that the node merges are no duplicates.
        """
        count = self._counts
        rate = clustered_share(self._lossy, self._units)
        late = [
            timeline.arrive_ms - timeline.intended_ms
            for timeline in self._timelines
            if timeline.regular
        ]
        return CellAccount(
            connect=connect,
            write=write,
            connections=count["connections"],
            lossy_connections=int(self._lossy.sum()),
            loss_rate=float(rate.share or 0),
            loss_rate_low=rate.low,
            loss_rate_high=rate.high,
            loss_rate_design_effect=rate.design_effect,
            chunks_expected=count["expected"],
            chunks_delivered=count["expected"] - count["lost"],
            chunks_lost=count["lost"],
            chunks_undetermined=0,
            chunks_duplicate=count["duplicate"],
            chunks_out_of_order=count["out_of_order"],
            chunks_unexpected=0,
            chunks_fetched=count["fetched"],
            rewinds=count["rewinds"],
            **self._predictions(),
            causes={name: number for name, number in sorted(self._causes.items()) if number},
            window_ms=self._quantiles("window"),
            gap_ms=self._quantiles("gap"),
            join_ms=self._quantiles("join"),
            chunk_latency_ms=_named(np.concatenate(late)) if late else Quantiles(),
        )

    def _predictions(self) -> dict[str, Any]:
        holes, overlap = self._law.expectations(self._counts["connections"])
        predicted = {
            "lost": SimulatedExpectation() if self._fills else holes,
            "duplicate": SimulatedExpectation() if self._merges else overlap,
            "fetched": holes if self._fills else SimulatedExpectation(),
        }
        fields = {}
        for name, expectation in predicted.items():
            fields[f"chunks_{name}_predicted"] = expectation.mean
            fields[f"chunks_{name}_predicted_low"] = expectation.low
            fields[f"chunks_{name}_predicted_high"] = expectation.high
        return fields

    def _quantiles(self, name: str) -> Quantiles:
        values = np.concatenate(self._samples.pop(name))
        return _named(values)


def _median_lag(timeline: Timeline) -> float:
    if not timeline.regular or not timeline.chunks:
        return math.nan
    return float(np.median(timeline.save_ms - timeline.publish_ms))


def _named(values: NDArray[np.floating]) -> Quantiles:
    """p50, p95, p99 of what is not nan; nulls when nothing is."""
    return Quantiles(*(quantiles(values) or ()))
