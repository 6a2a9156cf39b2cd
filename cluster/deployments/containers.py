"""The containers of a compose cluster, found by compose's labels: list, pause, kill, disconnect...

Everything is a call of the Docker Engine that waits at most CALL_WITHIN_S; nothing here knows what
a container is for. A container may go while one looks: that is `ContainerGone`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from chunk7.delivery.errors import Chunk7Error, UsageError

CALL_WITHIN_S = 30.0
"""Longest call; `stop` may take as long as it was given on top of that."""
_LABEL = "com.docker.compose."


class ContainerGone(Chunk7Error):
    """The container is not there any more."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container at the moment when it was listed.

    `status` is Docker's: created, running, paused, restarting, exited, dead. `health` is starting,
    healthy, unhealthy, or '' without a health check; `exit_code` that of its last end.
    """

    id: str
    name: str
    service: str
    number: int
    status: str
    health: str
    exit_code: int
    networks: tuple[str, ...]

    @property
    def title(self) -> str:
        """As people call it: `node-2`."""
        return f"{self.service}-{self.number}"


def connect() -> Any:
    """A client of the Docker Engine that the environment names. Raises UsageError without one."""
    try:
        client = docker.from_env(timeout=CALL_WITHIN_S)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise UsageError(
            f"no Docker Engine answers: start it, or set DOCKER_HOST ({_first_line(error)})"
        ) from error
    return client


class Containers:
    """The containers of one compose project.

    >>> containers = Containers(connect(), "chunk7")
    >>> [node, *_] = containers.list("node")
    >>> containers.pause(node)
    """

    def __init__(self, client: Any, project: str) -> None:
        self._client = client
        self._project = project

    def list(self, service: str | None = None) -> tuple[Container, ...]:
        """Those of a service, or all; stopped ones too; by service and number."""
        labels = [f"{_LABEL}project={self._project}"]
        if service is not None:
            labels.append(f"{_LABEL}service={service}")
        with _errors():
            found = self._client.api.containers(all=True, filters={"label": labels})
        listed = (self._seen(entry["Id"]) for entry in found)
        return tuple(sorted((c for c in listed if c), key=lambda c: (c.service, c.number)))

    def look(self, container: Container) -> Container:
        """The same one as it is now. Raises ContainerGone."""
        seen = self._seen(container.id)
        if seen is None:
            raise ContainerGone(f"{container.title}: no such container any more")
        return seen

    def pause(self, container: Container) -> None:
        """Freeze its processes: it neither answers nor closes anything."""
        self._do(container, self._client.api.pause)

    def unpause(self, container: Container) -> None:
        """Let them go on."""
        self._do(container, self._client.api.unpause)

    def kill(self, container: Container, signal: str = "SIGKILL") -> None:
        """Send its main process a signal."""
        self._do(container, lambda id_: self._client.api.kill(id_, signal))

    def stop(self, container: Container, within_s: int = 10) -> None:
        """SIGTERM, and SIGKILL when it has not ended `within_s` later."""
        self._do(container, lambda id_: self._client.api.stop(id_, timeout=within_s))

    def start(self, container: Container) -> None:
        """Start it again after it ended."""
        self._do(container, self._client.api.start)

    def wait_end(self, container: Container) -> None:
        """Until it has ended. Raises Chunk7Error when it has not within CALL_WITHIN_S."""
        self._do(container, lambda id_: self._client.api.wait(id_, timeout=CALL_WITHIN_S))

    def published(self, container: Container, port: int) -> int | None:
        """The host's port that leads to this one of the container's; None: none, or not now.

        Each start of a container may give it another.
        """
        with _errors(container):
            facts = self._client.api.inspect_container(container.id)
        bound = facts["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []
        return int(bound[0]["HostPort"]) if bound else None

    def disconnect(self, container: Container) -> tuple[str, ...]:
        """Cut it off all its networks; their names, for `connect`.

        Its connections stay open at both ends, and nothing gets through: as when a cable is pulled.
        """
        networks = self.look(container).networks
        with _errors(container):
            for network in networks:
                self._client.api.disconnect_container_from_network(container.id, network)
        return networks

    def connect(self, container: Container, networks: tuple[str, ...]) -> None:
        """Join the networks, under the names that the other services know it by."""
        aliases = [container.service, container.name]
        with _errors(container):
            for network in networks:
                self._client.api.connect_container_to_network(
                    container.id, network, aliases=aliases
                )

    def logs(self, container: Container, lines: int | None = None) -> str:
        """What it wrote to stdout and stderr: all of it, or the last lines."""
        with _errors(container):
            tail = "all" if lines is None else lines
            written: bytes = self._client.api.logs(container.id, tail=tail)
        return written.decode(errors="replace")

    def execute(self, container: Container, *command: str) -> tuple[int, str]:
        """Run a command in it; the exit code and what it wrote to stdout."""
        with _errors(container):
            made = self._client.api.exec_create(container.id, list(command), stderr=False)
            output: bytes = self._client.api.exec_start(made["Id"])
            code = self._client.api.exec_inspect(made["Id"])["ExitCode"]
        return int(code), output.decode(errors="replace")

    def answers(self, container: Container) -> bool:
        """Whether the container's own health check holds now, whenever Docker asks it next."""
        with _errors(container):
            facts = self._client.api.inspect_container(container.id)
        test = facts["Config"].get("Healthcheck", {}).get("Test", [])
        if test[:1] != ["CMD"]:
            raise Chunk7Error(f"{container.title} has no health check")
        return facts["State"]["Status"] == "running" and self.execute(container, *test[1:])[0] == 0

    def _do(self, container: Container, call: Callable[[str], object]) -> None:
        with _errors(container):
            call(container.id)

    def _seen(self, id_: str) -> Container | None:
        """None for one that has just been removed."""
        try:
            with _errors():
                facts = self._client.api.inspect_container(id_)
        except ContainerGone:
            return None
        labels, state = facts["Config"]["Labels"], facts["State"]
        return Container(
            id=id_,
            name=facts["Name"].removeprefix("/"),
            service=labels[f"{_LABEL}service"],
            number=int(labels[f"{_LABEL}container-number"]),
            status=state["Status"],
            health=state.get("Health", {}).get("Status", ""),
            exit_code=int(state["ExitCode"]),
            networks=tuple(sorted(facts["NetworkSettings"]["Networks"])),
        )


@contextmanager
def _errors(container: Container | None = None) -> Iterator[None]:
    """The engine's errors as ours, in one line."""
    title = container.title if container else "Docker"
    try:
        yield
    except NotFound as error:
        raise ContainerGone(f"{title}: {error.explanation}") from error
    except (APIError, requests.RequestException) as error:
        raise Chunk7Error(f"{title}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    explanation = getattr(error, "explanation", None) or str(error)
    return str(explanation).splitlines()[0] if explanation else type(error).__name__
