"""The law beside what was simulated: how many chunks windows of these lengths lose and double.

A connection with window W joins evenly in a wave of `wave_ms`. It loses chunk i with probability
(W + L_i)+ / wave_ms and gets it twice with probability (-(W + L_i))+ / wave_ms, the clipping at the
two ends of the wave apart (docs/architecture.md). The expectations are sums of these over the
connections added and all chunks, scaled up to all connections. For the variance, the number that
one join loses, or doubles, is laid out over an even grid of joins for a sample of the windows and
answers; joins are independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chunk7.simulator.virtual.chunks import Timeline
from chunk7.simulator.virtual.distributions import Durations
from chunk7.simulator.virtual.settings import SimulationSettings

Z_95 = 1.959963984540054
"""Standard normal quantile of 0.975."""

_SAMPLED_SESSIONS = 8
_SAMPLED_WINDOWS = 32
_GRID = 512


@dataclass(frozen=True, slots=True)
class SimulatedExpectation:
    """An expected number of chunks and its 95% interval."""

    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of(cls, mean: float, variance: float) -> "SimulatedExpectation":
        """By the normal approximation, not below 0."""
        half = Z_95 * math.sqrt(variance)
        return cls(mean, max(0.0, mean - half), mean + half)


class ExpectedChunks:
    """Sums the law over a cell's windows. Irregular answers, which have no L for each chunk, and
    windows that are nan count nothing."""

    def __init__(self, settings: SimulationSettings, timelines: Sequence[Timeline]) -> None:
        self._wave_ms = settings.wave_ms
        self._timelines = [t for t in timelines if t.regular and t.chunks]
        lags = [t.save_ms - t.publish_ms for t in self._timelines]
        self._lags_ms = -np.sort(-np.concatenate([np.zeros(0), *lags]))  # descending
        self._sums_ms = np.concatenate(([0.0], np.cumsum(self._lags_ms)))
        self._scale = 1 / (settings.wave_ms * len(timelines))
        self._lost = self._doubled = 0.0
        self.count = 0
        """Connections added, with or without a window."""
        self._known = 0
        self._sample: Durations = np.zeros(0)

    def add(self, window_ms: Durations) -> None:
        """Windows of connections, shape (count,)."""
        self.count += len(window_ms)
        windows = window_ms[~np.isnan(window_ms)]
        if len(windows) == 0 or not self._timelines:
            return
        if len(self._sample) == 0:
            self._sample = np.quantile(
                windows, (np.arange(_SAMPLED_WINDOWS) + 0.5) / _SAMPLED_WINDOWS
            )
        self._known += len(windows)
        repeat = 1
        if np.all(windows == windows[0]):  # constant durations: one is all
            repeat, windows = len(windows), windows[:1]
        positive = np.searchsorted(-self._lags_ms, windows, side="left")
        holes = float((positive * windows + self._sums_ms[positive]).sum())
        whole = float((len(self._lags_ms) * windows + self._sums_ms[-1]).sum())
        self._lost += self._scale * repeat * holes
        self._doubled += self._scale * repeat * (holes - whole)

    def expectations(self, connections: int) -> tuple[SimulatedExpectation, SimulatedExpectation]:
        """(lost, doubled) of so many connections, of which those added are a sample."""
        if not self._known:
            return SimulatedExpectation(), SimulatedExpectation()
        balance = self._balances()
        scale = connections / self.count
        return (
            self._expectation(scale, self._lost, np.maximum(balance, 0)),
            self._expectation(scale, self._doubled, np.maximum(-balance, 0)),
        )

    def _expectation(
        self, scale: float, mean: float, chunks: NDArray[np.int64]
    ) -> SimulatedExpectation:
        return SimulatedExpectation.of(scale * mean, scale * self._known * float(chunks.var()))

    def _balances(self) -> NDArray[np.int64]:
        """Lost (positive) or doubled (negative) chunks of joins over a grid of moments."""
        reads = (np.arange(_GRID) + 0.5) * (self._wave_ms / _GRID)
        step = max(1, len(self._timelines) // _SAMPLED_SESSIONS)
        return np.concatenate(
            [
                np.searchsorted(timeline.publish_ms, reads + window)
                - np.searchsorted(timeline.save_ms, reads, side="right")
                for timeline in self._timelines[::step][:_SAMPLED_SESSIONS]
                for window in self._sample
            ]
        )
