"""A real compose cluster on a real Docker Engine, started once for all tests of a module."""

import subprocess
from collections.abc import Iterator

import pytest
from stack import PROJECT, Stack, compose, remains_of

from chunk7.cluster.deployments.containers import connect
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import UsageError


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker Engine with Compose, and an image of the code as it is."""
    try:
        connect()
    except UsageError as error:
        pytest.skip(str(error))
    version = ["docker", "compose", "version"]
    if subprocess.run(version, capture_output=True).returncode:
        pytest.skip("there is no `docker compose`")
    compose("build", "--quiet", "init", "notebooks", within_s=300)


@pytest.fixture(scope="module")
def stack(engine: None) -> Iterator[Stack]:
    """`docker compose up cluster`, with free ports; taken down at the end, which leaves nothing."""
    ports = free_ports(4)
    names = ("CHUNK7_PORT", "CHUNK7_WEB_PORT", "CHUNK7_STATUS_PORT", "CHUNK7_NOTEBOOKS_PORT")
    environment = {name: str(port) for name, port in zip(names, ports, strict=True)}
    environment |= {"CHUNK7_OPTIONS": "--users 10", "CHUNK7_HEALTH_INTERVAL": "1s"}
    started = Stack(*ports, environment)
    try:
        started.compose("up", "--detach", "--no-build", "--wait", "cluster")
        yield started
    finally:
        started.compose("--profile", "*", "down", "--volumes", "--timeout", "3")
    assert remains_of(PROJECT) == []
