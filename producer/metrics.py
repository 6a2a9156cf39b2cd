"""The producer's metrics, in a registry of their own. docs/metrics.md says what each means."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from chunk7.wire.metrics import lag_histogram

_LATENESS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class ProducerMetrics:
    """Counters by write ordering, how late chunks start, how late the event loop runs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.published = self._counter("chunks_published", "Chunks handed to subscribers.")
        self.saved = self._counter("chunks_saved", "Chunks saved to the history or stream.")
        self._publishes = Counter(
            "chunk7_producer_publishes",
            "PUBLISH by whether some subscriber or none received it.",
            ["write", "receivers"],
            registry=self.registry,
        )
        self.errors = self._counter("write_errors", "Chunks whose write ordering failed.")
        self.lateness = Histogram(
            "chunk7_producer_chunk_lateness_seconds",
            "From a chunk's intended instant to its start.",
            buckets=_LATENESS_S,
            registry=self.registry,
        )
        self.loop_lag = lag_histogram(self.registry)

    def announce(self, write: str) -> None:
        """Chunks of this write ordering will come.

        Its counters appear at 0: one that appears with its first event hides it from rates.
        """
        for counter in (self.published, self.saved, self.errors):
            counter.labels(write)
        for receivers in ("some", "none"):
            self._publishes.labels(write, receivers)

    def count_publish(self, write: str, receivers: int) -> None:
        """A PUBLISH that so many subscribers received."""
        self._publishes.labels(write, "some" if receivers else "none").inc()

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"chunk7_producer_{name}", text, ["write"], registry=self.registry)
