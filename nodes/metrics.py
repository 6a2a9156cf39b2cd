"""What `/metrics` shows: counters of the node's own, no label with more values than orderings."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_JOIN_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry a node, so that two nodes in one process do not share numbers."""

    def __init__(self, node: str) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        info = Gauge("chunk7_node_info", "Always 1.", ["node"], registry=registry)
        info.labels(node).set(1)
        self.clients = Gauge("chunk7_node_clients", "Open connections.", registry=registry)
        self.channels = Gauge(
            "chunk7_node_channels", "Pub/Sub channels asked for.", registry=registry
        )
        self.streams = Gauge("chunk7_node_streams", "Streams followed.", registry=registry)
        self.store_up = Gauge("chunk7_node_store_up", "1 while connected.", registry=registry)
        self.loop_lag = Gauge(
            "chunk7_node_event_loop_lag_seconds", "Worst in the last second.", registry=registry
        )
        self.joins = Counter(
            "chunk7_node_joins",
            "Connect orderings that ended.",
            ["ordering", "outcome"],
            registry=registry,
        )
        self.join_seconds = Histogram(
            "chunk7_node_join_seconds",
            "From accepted to the connect ordering's end.",
            ["ordering"],
            buckets=_JOIN_BUCKETS_S,
            registry=registry,
        )
        self.messages = self._counter("messages", "Chunks received from the store, live.")
        self.deliveries = self._counter("deliveries", "Live chunks written to clients.")
        self.fetches = self._counter("fetches", "Fetch and resume frames answered.")
        self.bad_frames = self._counter("bad_frames", "Client frames refused.")
        self.bad_messages = self._counter("bad_messages", "Published payloads that are no chunk.")
        self.slow_clients = self._counter("slow_clients", "Clients closed for a full outbox.")
        self.store_losses = self._counter("store_losses", "Times that the store was lost.")

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"chunk7_node_{name}", meaning, registry=self._registry)

    def text(self) -> bytes:
        """The exposition, as CONTENT_TYPE says."""
        return generate_latest(self._registry)
