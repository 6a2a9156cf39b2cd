"""The producer's metrics, in a registry of their own."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

_LATENESS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """Counters by write ordering, how late chunks start, how late the event loop runs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.published = self._counter("chunks_published", "Chunks handed to subscribers.")
        self.saved = self._counter("chunks_saved", "Chunks saved to the history or stream.")
        self.without_receivers = self._counter(
            "publishes_without_receivers", "PUBLISH that reached 0 subscribers."
        )
        self.errors = self._counter("write_errors", "Chunks whose write ordering failed.")
        self.lateness = Histogram(
            "chunk7_producer_chunk_lateness_seconds",
            "From a chunk's intended instant to its start.",
            buckets=_LATENESS_S,
            registry=self.registry,
        )
        self.loop_lag = Gauge(
            "chunk7_producer_event_loop_lag_seconds",
            "Worst lateness of the event loop in the last second.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"chunk7_producer_{name}", text, ["write"], registry=self.registry)
