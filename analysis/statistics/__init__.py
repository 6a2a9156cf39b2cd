"""Intervals, bounds, comparisons and fits: pure functions on arrays, each with its source.

Knows nothing of runs or files; docs/statistics.md says which to use for what, and how well each
covers. May import: numpy, scipy, pandas. scipy is imported inside functions, for its start-up time.
"""
