"""What `/metrics` shows: numbers of the node's own, no label with more values than orderings.

docs/metrics.md says what each means and how it is used.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from chunk7.wire.metrics import lag_histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_JOIN_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WINDOW_BUCKETS_S = (0, 0.0001, 0.00025, 0.0005, *_JOIN_BUCKETS_S)
_ROUND_TRIP_BUCKETS_S = (0.0001, 0.00025, 0.0005, *_JOIN_BUCKETS_S[:-2])


class NodeMetrics:
    """One registry a node, so that two nodes in one process do not share numbers."""

    def __init__(self, node: str, orderings: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        Info("chunk7_node", "The node's name.", registry=self._registry).info({"node": node})
        self.loop_lag = lag_histogram(self._registry)
        self.clients = self._gauge("clients", "Open connections.")
        self.connections = self._gauge(
            "connections", "Accepted connections, handshakes and plain HTTP included."
        )
        self.history_bytes = self._gauge(
            "history_bytes", "Memory taken by histories that clients are being sent."
        )
        self.channels = self._gauge("channels", "Pub/Sub channels asked for.")
        self.streams = self._gauge("streams", "Streams followed.")
        self.tasks = self._gauge("tasks", "Tasks of the event loop.")
        self.store_up = self._gauge("store_up", "1 while the store is connected, else 0.")
        self.joins = self._counter("joins", "Connect orderings that ended.", ["connect", "outcome"])
        for name in orderings:  # a counter that appears with its first event hides it from rates
            for outcome in ("joined", "failed"):
                self.joins.labels(name, outcome)
        self.join_seconds = self._histogram(
            "join", "From accepted to the connect ordering's end.", _JOIN_BUCKETS_S, ["connect"]
        )
        self._hole = self._histogram(
            "hole",
            "The part of the risk window after the read: subscribed less read, 0 if negative.",
            _WINDOW_BUCKETS_S,
            ["connect"],
        )
        self._overlap = self._histogram(
            "overlap",
            "The part of the risk window before the read: read less subscribed, 0 if negative.",
            _WINDOW_BUCKETS_S,
            ["connect"],
        )
        self.store_round_trip = self._histogram(
            "store_round_trip", "From a PING to its answer, one a second.", _ROUND_TRIP_BUCKETS_S
        )
        self.messages = self._counter("messages", "Chunks received from the store, live.")
        self.deliveries = self._counter("deliveries", "Live chunks written to clients.")
        self.unheard = self._counter(
            "unheard_chunks",
            "Chunks numbered in a client's session while its channel was mute.",
        )
        self.recoveries = self._counter(
            "recoveries", "Clients that the node had left behind, and sent what they lacked."
        )
        self.fetches = self._counter("fetches", "Fetch and resume frames answered.")
        self.bad_frames = self._counter("bad_frames", "Client frames refused.")
        self.bad_messages = self._counter("bad_messages", "Published payloads that are no chunk.")
        self.slow_clients = self._counter("slow_clients", "Clients closed for a full outbox.")
        self.store_losses = self._counter("store_losses", "Times that the store was lost.")
        self.store_replacements = self._counter(
            "store_replacements", "Times that another server process was there after a loss."
        )

    def observe_window(self, connect: str, window_s: float) -> None:
        """A join's risk window W, in seconds.

        A histogram's sum must not fall, so a signed one is kept as two: every join is in both,
        and the mean W is the mean hole less the mean overlap.
        """
        self._hole.labels(connect).observe(max(0.0, window_s))
        self._overlap.labels(connect).observe(max(0.0, -window_s))

    def text(self) -> bytes:
        """The exposition, as CONTENT_TYPE says."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"chunk7_node_{name}", meaning, registry=self._registry)

    def _counter(self, name: str, meaning: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"chunk7_node_{name}", meaning, labels, registry=self._registry)

    def _histogram(
        self, name: str, meaning: str, buckets_s: tuple[float, ...], labels: Iterable[str] = ()
    ) -> Histogram:
        return Histogram(
            f"chunk7_node_{name}_seconds",
            meaning,
            labels,
            buckets=buckets_s,
            registry=self._registry,
        )
