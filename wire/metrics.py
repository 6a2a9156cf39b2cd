"""The metric that every process has; docs/metrics.md lists all of them."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Histogram

_LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
"""0.05 s is where `analysis/validity.py` and the alert rules draw the line."""


def lag_histogram(registry: CollectorRegistry, labels: Sequence[str] = ()) -> Histogram:
    """Of the event loop's lateness: observe `wire.lag.LagMonitor.take_ms() / 1000` once a second.

    A gauge would show the second before each scrape and hide the others.
    """
    return Histogram(
        "chunk7_event_loop_lag_seconds",
        "The event loop's worst lateness in each second.",
        labels,
        buckets=_LAG_BUCKETS_S,
        registry=registry,
    )
