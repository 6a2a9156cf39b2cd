"""What Prometheus is told of a load test while it runs: counters that never fall.

A judgement of a running round may be mended by later records: a chunk that was taken for lost came
after all, a cause became known. So of each counter the greatest value so far is shown: that of the
rounds that are over, plus the running one's. It may be above the truth by what was mended, and is
never below it. No label has more values than there are orderings and causes.
"""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chunk7.analysis.live.judging import Judged, Live
from chunk7.analysis.totals import totals
from chunk7.wire.account import Account

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTERS = {
    "connections": "Connections that opened.",
    "lossy_connections": "Connections that lost a chunk.",
    "chunks_expected": "Chunks that connections were to receive.",
    "chunks_delivered": "Of those: received.",
    "chunks_duplicate": "Receipts of a chunk after its first.",
    "chunks_out_of_order": "Chunks that came after a later one.",
    "rewinds": "Receipts of a lower number than the one just before.",
    "chunks_lost_predicted": "Chunks that the law expected to be lost.",
}
_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}
_PAIR = ["connect", "write"]

Key = tuple[str, str, str, str]
"""Counter, connect, write, cause ('' where there is none)."""


class JudgeMetrics(Collector):
    """Fed with `update` after each pass; shown by `text`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._counted: set[str] = set()
        self._over: dict[Key, float] = {}
        self._shown: dict[Key, float] = {}
        self._latest: dict[tuple[str, str], Account] = {}
        self._plain: dict[str, tuple[str, float]] = {}

    def update(self, live: Live, judging_s: float) -> None:
        """Take over what was judged; `judging_s` is how long that took."""
        rounds, running = live.rounds, dict[Key, float]()
        for judged in rounds:
            if judged.run in self._counted:
                continue
            found = totals([judged.kept] if judged.kept is not None else [])
            self._latest |= {(total.connect, total.write): total for total in found}
            _add(self._over if judged.over else running, found)
            if judged.over:
                self._counted.add(judged.run)
        self._counted &= {judged.run for judged in rounds}
        for key in self._over.keys() | running.keys():
            value = self._over.get(key, 0) + running.get(key, 0)
            self._shown[key] = max(value, self._shown.get(key, 0))
        self._plain = _plain(rounds, live, judging_s)

    def text(self) -> bytes:
        """The exposition, as CONTENT_TYPE says."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Any]:
        """Called by the registry."""
        shown, latest = dict(self._shown), dict(self._latest)
        for name, meaning in _COUNTERS.items():
            yield _counter(name, meaning, _PAIR, shown)
        yield _counter("chunks_lost", "Chunks lost, by cause.", [*_PAIR, "cause"], shown)
        ratio = GaugeMetricFamily(
            "chunk7_loss_ratio",
            "Lossy connections over connections, in the newest round that has the pair.",
            labels=_PAIR,
        )
        window = GaugeMetricFamily(
            "chunk7_window_seconds",
            "Subscription effective less history read effective, in the same round.",
            labels=[*_PAIR, "quantile"],
        )
        for pair, total in latest.items():
            if total.loss_rate is not None:
                ratio.add_metric(pair, total.loss_rate)
            for field, quantile in _QUANTILES.items():
                value_ms = getattr(total.window_ms, field)
                if value_ms is not None:
                    window.add_metric([*pair, quantile], value_ms / 1_000)
        yield from (ratio, window)
        for name, (meaning, value) in dict(self._plain).items():
            yield GaugeMetricFamily(name, meaning, value=value)


def _plain(rounds: tuple[Judged, ...], live: Live, judging_s: float) -> dict[str, Any]:
    newest = rounds[-1] if rounds else None
    good = newest is not None and not newest.invalid_because and not live.damaged
    return {
        "chunk7_run_valid": ("Whether nothing speaks against the newest round.", float(good)),
        "chunk7_round": ("Its number.", float(newest.number) if newest else 0.0),
        "chunk7_round_running": ("Whether it runs.", float(newest is not None and not newest.over)),
        "chunk7_judging_seconds": ("How long the last judging took.", judging_s),
        "chunk7_judging_lag_seconds": ("How old its newest record was.", live.lag_s),
        "chunk7_judged_timestamp_seconds": (
            "When records were last judged, since 1970.",
            live.judged_at_unix_s,
        ),
    }


def _add(counts: dict[Key, float], found: list[Account]) -> None:
    for total in found:
        values = {(name, ""): getattr(total, name) for name in _COUNTERS}
        values |= {("chunks_lost", cause): count for cause, count in total.causes.items()}
        for (name, cause), value in values.items():
            key = (name, total.connect, total.write, cause)
            counts[key] = counts.get(key, 0) + value


def _counter(name: str, meaning: str, labels: list[str], shown: dict[Key, float]) -> Any:
    family = CounterMetricFamily(f"chunk7_{name}", meaning, labels=labels)
    for (counter, *values), value in shown.items():
        if counter == name:
            family.add_metric(values[: len(labels)], value)
    return family
