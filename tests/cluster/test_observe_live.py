"""A real Prometheus scrapes a real cluster with the shipped files: all is up, and losses fire."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import yaml
from observe_kit import CONFIGURATION, ROOT, RULES, documented, names_in, queries, rules, tool
from prometheus_client.parser import text_string_to_metric_families

from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.verdicts import Cause
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS

pytestmark = [pytest.mark.live, pytest.mark.prometheus]

WITHIN_S = 45.0
HOST = "127.0.0.1"
CELLS = "history_then_subscribe x publish_then_save; buffered_merge x atomic_lua"
SHORT = {"scrape_interval": "1s", "evaluation_interval": "1s"}
"""In place of 5 s. Nothing else of the shipped configuration is changed but the addresses."""
LOAD = {
    "users": 12, "spawn-rate": 12, "sessions": 3, "chunk-rate": 50, "duration": 2,
    "settle-ms": 700, "node-work-ms": 40, "run-name": "seen", "cells": CELLS,
}  # fmt: skip
NEEDS_A_FAULT: dict[str, str] = {}
"""Queries that return nothing without a fault that the test does not make, and why."""


class Prometheus:
    """The HTTP API of one."""

    def __init__(self, port: int) -> None:
        self._base = f"http://{HOST}:{port}/api/v1"

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer, which must be a success."""
        answer = requests.get(f"{self._base}/{path}", parameters, timeout=5)
        document = answer.json()
        assert document["status"] == "success", (parameters, document)
        return document["data"]

    def series(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query returns, as a list."""
        found = self.get("query", query=expression)
        return list(found["result"]) if found["resultType"] == "vector" else [found]

    def firing(self, alert: str) -> list[dict[str, str]]:
        """The labels of an alert's firing instances."""
        return [
            found["labels"]
            for found in self.get("alerts")["alerts"]
            if found["labels"]["alertname"] == alert and found["state"] == "firing"
        ]


@dataclass(frozen=True)
class Watched:
    """A cluster under load, and who watches it. `targets` are addresses by job."""

    prometheus: Prometheus
    targets: dict[str, list[str]]
    began_s: float

    def until(self, condition: Callable[[], Any]) -> Any:
        """Poll until it holds, and give what it gave; bounded by WITHIN_S since the load began."""
        while not (found := condition()):
            assert time.monotonic() < self.began_s + WITHIN_S, "it did not come in time"
            time.sleep(0.25)  # poll, bounded by the deadline
        return found


@pytest.fixture(scope="module")
def watched(store_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two nodes, producer, judge, Locust's master and a worker, Prometheus: each a process."""
    program, folder = tool("prometheus"), tmp_path_factory.mktemp("watched")
    names = ("n1", "n2", "producer", "judge", "locust", "prometheus", "master")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    at = {name: f"{HOST}:{port}" for name, port in ports.items()}
    targets = {
        "node": [at["n1"], at["n2"]],
        **{job: [at[job]] for job in ("producer", "judge", "locust", "prometheus")},
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_configuration(targets)))
    (folder / "raw").mkdir()
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *command: object) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            words = [str(word) for word in command]
            running.append(subprocess.Popen(words, stdout=log, stderr=log))

    def python(name: str, *command: object) -> None:
        start(name, sys.executable, "-m", *command)

    try:
        common = ("--redis", store_process, "--records", folder / "raw")
        for name in ("n1", "n2"):
            python(name, "chunk7.nodes", "--listen", at[name], "--name", name, *common)
        python(
            "producer", "chunk7.producer", "--listen", at["producer"], "--name", "producer", *common
        )
        for name in ("n1", "n2", "producer"):
            _await(f"http://{at[name]}/healthz", running)
        python("judge", "chunk7.cluster.status.server", "--listen", at["judge"], "--run", folder)
        start(
            "prometheus", program, f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={at['prometheus']}",
        )  # fmt: skip
        for name, path in (("judge", "/metrics"), ("prometheus", "/-/ready")):
            _await(f"http://{at[name]}{path}", running)
        options = LOAD | {
            "host": f"ws://{at['n1']}", "producer": f"http://{at['producer']}",
            "records": folder / "raw", "web-host": HOST, "web-port": ports["locust"],
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        locust = ("locust", "-f", ROOT / "loadtest/locustfile.py")
        bind = ("--master-bind-host", HOST, "--master-bind-port", ports["master"])
        starting = ("--expect-workers", "1", "--autostart")
        python("locust", *locust, "--master", *bind, *starting, *words)
        to = ("--master-host", HOST, "--master-port", ports["master"])
        python("worker", *locust, "--worker", *to)
        yield Watched(Prometheus(ports["prometheus"]), targets, time.monotonic())
    finally:
        for process in reversed(running):
            process.terminate()
        for process in reversed(running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _configuration(targets: dict[str, list[str]]) -> dict[str, Any]:
    """The shipped one, with short intervals and other addresses."""
    shipped: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())
    assert {job["job_name"] for job in shipped["scrape_configs"]} == targets.keys()
    shipped["global"] |= SHORT
    shipped["rule_files"] = [str(RULES)]
    for job in shipped["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    return shipped


def _await(url: str, running: "list[subprocess.Popen[bytes]]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert all(process.poll() is None for process in running), "a part ended"
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)  # poll, bounded by the deadline
    pytest.fail(f"nobody answered at {url}")


def test_every_target_of_the_shipped_configuration_is_up(watched: Watched) -> None:
    def health() -> dict[str, list[str]]:
        found = watched.prometheus.get("targets")["activeTargets"]
        return {
            job: sorted(
                target["labels"]["instance"]
                for target in found
                if target["labels"]["job"] == job and target["health"] == "up"
            )
            for job in watched.targets
        }

    wanted = {job: sorted(addresses) for job, addresses in watched.targets.items()}
    watched.until(lambda: health() == wanted)


def test_losses_fire_the_alert_for_the_pair_that_loses_and_for_no_other(watched: Watched) -> None:
    prometheus = watched.prometheus
    [labels] = watched.until(lambda: prometheus.firing("Chunk7LossRate"))
    assert (labels["connect"], labels["write"]) == ("history_then_subscribe", "publish_then_save")
    fixed = 'connect_write:chunk7_loss:ratio1m{connect="buffered_merge"}'
    [series] = watched.until(lambda: prometheus.series(fixed))
    assert float(series["value"][1]) == 0
    assert prometheus.firing("Chunk7LossRate") == [labels]


def test_nothing_else_that_is_no_matter_of_load_fires(watched: Watched) -> None:
    for alert in ("PublishWithoutReceivers", "StoreLost", "JudgeStale"):
        assert watched.prometheus.firing(f"Chunk7{alert}") == []


def test_every_query_of_every_panel_returns_a_series(watched: Watched) -> None:
    left = {where: _filled(expression) for where, expression in _numbered(queries())}

    def missing() -> dict[str, str]:
        for where, expression in list(left.items()):
            if watched.prometheus.series(expression) or where in NEEDS_A_FAULT:
                del left[where]
        return left

    try:
        watched.until(lambda: not missing())
    except AssertionError:
        pytest.fail(f"no series: {left}")


def test_every_metric_that_a_rule_asks_for_exists(watched: Watched) -> None:
    for rule in rules():
        watched.prometheus.series(rule["expr"])  # it is understood
        for name in names_in(rule["expr"]):
            watched.until(lambda name=name: watched.prometheus.series(name))


def test_what_processes_expose_is_what_the_page_lists(watched: Watched) -> None:
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for _, text in _pages(watched):
        for family in text_string_to_metric_families(text):
            name = family.name + ("_total" if family.type == "counter" else "")
            if name.startswith("chunk7_") and not name.endswith("_created"):
                labels = {label for sample in family.samples for label in sample.labels}
                kept = frozenset(labels - {"le"}) | found.get(name, ("", frozenset()))[1]
                found[name] = family.type, kept
    assert found == {row.name: (row.type, row.labels) for row in documented().values()}


def test_locust_s_master_tells_how_late_its_workers_run(watched: Watched) -> None:
    lag = 'chunk7_event_loop_lag_seconds_count{job="locust", worker="0"}'
    [series] = watched.until(lambda: watched.prometheus.series(lag))
    assert float(series["value"][1]) > 0


def test_labels_are_names_of_a_few_things(watched: Watched) -> None:
    allowed = {
        "connect": set(CONNECT_ORDERINGS), "write": set(WRITE_ORDERINGS),
        "cause": {cause.value for cause in Cause}, "outcome": {"joined", "failed"},
        "receivers": {"some", "none"}, "quantile": {"0.5", "0.95", "0.99"}, "node": {"n1", "n2"},
        "name": {"connect", "history", "complete"}, "worker": {"0"},
    }  # fmt: skip
    for job, text in _pages(watched):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if not sample.name.startswith("chunk7_"):
                    continue
                for label, value in sample.labels.items():
                    assert label == "le" or value in allowed[label], (job, sample)


def _pages(watched: Watched) -> Iterator[tuple[str, str]]:
    """/metrics of every process of ours."""
    for job, addresses in watched.targets.items():
        if job != "prometheus":
            for address in addresses:
                yield job, requests.get(f"http://{address}/metrics", timeout=5).text


def _numbered(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"{where} [{place}]", expression) for place, (where, expression) in enumerate(found)]


def _filled(expression: str) -> str:
    """As Grafana would send it, with all nodes chosen."""
    filled = expression.replace("$__rate_interval", "1m").replace("$node", ".*")
    assert not re.search(r"\$\w", filled), expression
    return filled
