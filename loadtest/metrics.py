"""What `/metrics` of Locust's web server shows: the load test as a whole, workers included.

Only the master, or a Locust without workers, has a web server; workers send how late they ran with
their reports. docs/metrics.md says what each metric means.
"""

from collections.abc import Iterable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.metrics import lag_histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LAGS = "chunk7_lags_s"
"""In a worker's report."""
_AT_WORK = ("spawning", "running")


def report_lags(environment: Any, worker: WorkerState) -> None:
    """On a worker: put the seconds since the last report into each."""

    def report(client_id: str, data: dict[str, Any]) -> None:
        data[_LAGS] = worker.take_lags_s()

    environment.events.report_to_master.add_listener(report)


def serve_metrics(environment: Any, worker: WorkerState | None) -> None:
    """On whoever has the web server; `worker` None: the users are on workers."""
    metrics = LoadMetrics(environment.runner, worker)

    def show() -> tuple[bytes, dict[str, str]]:
        return metrics.text(), {"Content-Type": CONTENT_TYPE}

    environment.web_ui.app.add_url_rule("/metrics", "chunk7_metrics", show)
    environment.events.worker_report.add_listener(metrics.take_report)


class LoadMetrics(Collector):
    """Locust's own statistics, read when asked for, and everybody's event-loop lag."""

    def __init__(self, runner: Any, worker: WorkerState | None) -> None:
        self._runner = runner
        self._worker = worker
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._lag = lag_histogram(self._registry, ["worker"])
        self._registry.register(self)

    def take_report(self, client_id: str, data: dict[str, Any]) -> None:
        """A worker's. Workers are told apart by number, not by their ever new names."""
        self._observe(self._runner.get_worker_index(client_id), data.pop(_LAGS, ()))

    def text(self) -> bytes:
        """The exposition, as CONTENT_TYPE says."""
        if self._worker is not None:
            self._observe(0, self._worker.take_lags_s())
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Any]:
        """Called by the registry."""
        runner = self._runner
        workers = 1 if self._worker is not None else runner.worker_count
        yield GaugeMetricFamily("chunk7_locust_users", "Users.", value=runner.user_count)
        yield GaugeMetricFamily(
            "chunk7_locust_workers", "Processes that have users.", value=workers
        )
        yield GaugeMetricFamily(
            "chunk7_locust_running", "1 while a test runs, else 0.", value=runner.state in _AT_WORK
        )
        seconds = SummaryMetricFamily(
            "chunk7_locust_request_seconds", "How long requests took.", labels=["name"]
        )
        requests = CounterMetricFamily(
            "chunk7_locust_requests", "Requests, also such that take no time.", labels=["name"]
        )
        failures = CounterMetricFamily(
            "chunk7_locust_request_failures", "Requests that failed.", labels=["name"]
        )
        for (name, _), entry in list(runner.stats.entries.items()):
            timed = entry.num_requests - entry.num_none_requests
            if timed:
                seconds.add_metric([name], timed, entry.total_response_time / 1_000)
            requests.add_metric([name], entry.num_requests)
            failures.add_metric([name], entry.num_failures)
        yield from (seconds, requests, failures)

    def _observe(self, worker: int, lags_s: Iterable[float]) -> None:
        for lag_s in lags_s:
            self._lag.labels(str(worker)).observe(lag_s)
