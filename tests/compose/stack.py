"""The cluster that the tests share, and how to ask it."""

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from chunk7.cluster.deployments.containers import Container, Containers, connect

ROOT = Path(__file__).parents[2]
NOBODY = "nobody"
PROJECT = f"chunk7-test-{os.getpid()}"


def compose(*words: str, environment: Mapping[str, str] | None = None, within_s: float = 90) -> str:
    """`docker compose WORDS` in the root, as users run it but for the project's name; its stdout.

    Fails the test with what it said when it fails.
    """
    done = subprocess.run(
        ["docker", "compose", "--project-name", PROJECT, *words],  # noqa: S607 - the user's own
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=within_s,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(condition: Callable[[], bool], within_s: float = 20) -> None:
    """Poll until it holds; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.2)  # poll, bounded by the deadline


@dataclass
class Stack:
    """A running cluster, by the ports that it publishes."""

    port: int
    web_port: int
    status_port: int
    notebooks_port: int
    environment: dict[str, str]
    containers: Containers = field(default_factory=lambda: Containers(connect(), PROJECT))

    def compose(self, *words: str) -> str:
        """`docker compose WORDS` for this cluster."""
        return compose(*words, environment=self.environment)

    def log(self) -> list[str]:
        """What `cluster` has said."""
        return self.compose("logs", "--no-log-prefix", "cluster").splitlines()

    def records(self) -> set[str]:
        """The files of raw records."""
        [attendant] = self.containers.list("cluster")
        code, listed = self.containers.execute(attendant, "ls", "/runs/current/raw")
        assert code == 0
        return set(listed.split())

    def parts(self) -> dict[str, tuple[int, int]]:
        """Healthy and all instances of each part, as `cluster` sees them."""
        url = f"http://127.0.0.1:{self.status_port}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:  # 503: some are not healthy
            document = json.load(error)
        parts: dict[str, Any] = document["parts"]
        return {name: (part["healthy"], part["instances"]) for name, part in parts.items()}

    def nodes_met(self, times: int) -> list[str]:
        """The id of the container that each of some connections in turn was given to.

        NOBODY if nginx gave up: it does so once for who is being connected at the very moment when
        the set of nodes changes.
        """
        return asyncio.run(_nodes_met(f"ws://127.0.0.1:{self.port}/ws/somewhere", times))

    def nodes(self) -> list[Container]:
        """All nodes, by number."""
        return list(self.containers.list("node"))

    def node_ids(self) -> set[str]:
        """Their ids, as they are a part of their names."""
        return {short(node) for node in self.nodes()}


def remains_of(project: str) -> list[object]:
    """The containers, networks and volumes that a project has."""
    client, its = connect(), {"label": f"com.docker.compose.project={project}"}
    return [
        *client.containers.list(all=True, filters=its),
        *client.networks.list(filters=its),
        *client.volumes.list(filters=its),
    ]


def short(container: Container) -> str:
    """The container's id as Docker shortens it, which is also its host name."""
    return container.id[:12]


async def _nodes_met(url: str, times: int) -> list[str]:
    met = []
    for _ in range(times):
        try:
            async with open_socket(url, compression=None) as connection, asyncio.timeout(10):
                while (frame := json.loads(await connection.recv()))["type"] != "welcome":
                    pass
                met.append(frame["node"].split("-")[1])  # without the number of its start
        except InvalidStatus as error:
            if error.response.status_code != 502:
                raise
            met.append(NOBODY)
    return met
