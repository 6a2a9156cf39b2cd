"""Latencies of a run, as many as memory should hold: all of them, or an even random part.

Quantiles are taken from raw values, so raw values must be kept, and one a receipt would make the
memory grow with the run. A cell of up to MOST keeps every one of them. When one more comes, each
is kept with a chance of 1/2, from then on; with 1/4 after the next time, and so on. What is kept
is a simple random sample of MOST / 2 values or more, spread evenly over the cell. Of n sampled
values, the p-quantile is the quantile of all at p +- 1.96 sqrt(p (1 - p) / n), in 95% of samples
(the number below it is binomial; H. A. David and H. N. Nagaraja, Order Statistics (3rd ed., 2003),
section 7.1): with n = 2,000,000, p50 is that of p49.93 to p50.07, and p99 that of p98.986 to
p99.014.

The sample is seeded by the place of each batch in the run, so a run gives the same numbers again.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MOST = 4_000_000
"""Latencies kept of a cell: 16 MB."""


@dataclass(slots=True)
class Latencies:
    """The latencies of one cell, batch by batch.

    `kept` maps a batch's first connection to its values, shape (values,), in ms, connection by
    connection, and to how many are of each connection, shape (connections,).
    """

    most: int = field(default_factory=lambda: MOST)
    halvings: int = 0
    kept: dict[int, tuple[NDArray[np.float32], NDArray[np.int64]]] = field(default_factory=dict)

    def add(self, first_row: int, ms: NDArray[np.float32], timed: NDArray[np.int64]) -> None:
        """Take a batch's latencies in; `timed` says how many are of each connection."""
        for halving in range(self.halvings):
            ms, timed = _half(first_row, halving, ms, timed)
        self.kept[first_row] = ms, timed
        while sum(len(ms) for ms, _ in self.kept.values()) > self.most:
            self.kept = {row: _half(row, self.halvings, *batch) for row, batch in self.kept.items()}
            self.halvings += 1


def _half(
    first_row: int, halving: int, ms: NDArray[np.float32], timed: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Every value with a chance of 1/2, whatever else is kept."""
    stays = np.random.default_rng((first_row, halving)).integers(0, 2, len(ms), bool)
    who = np.repeat(np.arange(len(timed)), timed)
    return ms[stays], np.bincount(who[stays], minlength=len(timed))
