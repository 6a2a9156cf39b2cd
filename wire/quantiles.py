"""Quantiles of raw values, for all who state them; docs/statistics.md: never averaged."""

from collections.abc import Sequence
from typing import Any

import numpy as np

USUAL = (0.5, 0.95, 0.99)
"""p50, p95, p99."""


def quantiles(values: Any, probabilities: Sequence[float] = USUAL) -> tuple[float, ...] | None:
    """Quantiles of raw values, a float for each probability; None when there are no values.

    For n sorted values, the value at place 1 + (n - 1) p, linear between two places: definition 7
    of R. J. Hyndman and Y. Fan, Am. Stat. 50 (1996) 361. `values`: numbers, shape (values,), any
    unit; nan is a value that was not measured, and is left out.
    """
    known = np.array(values, dtype=np.float64)  # a copy, which may be put into another order
    unknown = np.isnan(known)
    known = known[~unknown] if unknown.any() else known
    if not len(known):
        return None
    return tuple(np.quantile(known, probabilities, overwrite_input=True).tolist())
