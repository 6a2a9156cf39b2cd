"""The profile `observe` on a real engine: Prometheus finds every process by the shipped files.

Grafana is not started: its image comes from a registry only.
"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from stack import Stack, compose, wait_for

from cluster.probes import free_ports

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture
def api(stack: Stack) -> Iterator[str]:
    """The address of a Prometheus beside the cluster."""
    [port] = free_ports(1)
    environment = {**stack.environment, "CHUNK7_PROMETHEUS_PORT": str(port)}
    up = ("--profile", "observe", "up", "--detach", "--no-build", "--no-deps", "--wait")
    try:
        compose(*up, "prometheus", environment=environment)
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        compose("--profile", "observe", "rm", "--stop", "--force", "prometheus")


def asked(url: str) -> Any:
    """The data of an answer."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of our own making
        return json.load(answer)["data"]


def test_prometheus_finds_every_process_and_has_its_rules(stack: Stack, api: str) -> None:
    wanted = {"node": len(stack.nodes()), "producer": 1, "judge": 1, "locust": 1, "prometheus": 1}

    def up() -> dict[str, int]:
        targets = asked(f"{api}/targets")["activeTargets"]
        healthy = [t["labels"]["job"] for t in targets if t["health"] == "up"]
        return {job: healthy.count(job) for job in wanted}

    wait_for(lambda: up() == wanted)
    rules = [rule for group in asked(f"{api}/rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}  # unknown: not tried yet
    assert "Chunk7LossRate" in {rule["name"] for rule in rules}
