"""A target that chunk7 starts itself, as `start:` of its adapter says; again as often as wanted."""

import os
import shlex
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

from chunk7.cluster.deployments.local import STARTS, port_was_taken
from chunk7.cluster.deployments.parts import HOST, Part
from chunk7.cluster.deployments.probes import accepts, free_ports
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import PartDied, UsageError
from chunk7.loadtest.targets.adapter import Adapter, StartRule, at_ports

STOP_WITHIN_S = 2.0


def starting(adapter: Adapter) -> str:
    """The line that says so: the command as it is written, without the environment's secrets."""
    rule = adapter.written["start"]
    twice = ", twice" if rule.get("processes") == 2 else ""
    return f"starting {adapter.name}{twice}: {shlex.join(rule['command'])}"


async def start(cluster: Cluster, adapter: Adapter, redis_url: str | None, folder: Path) -> Adapter:
    """Start the target's processes as the cluster's first; the adapter, its URLs led to them.

    `folder` gets their logs. A port that somebody else took meanwhile is another at the next start.
    Raises PartDied, with its own last lines, when one ends or does not listen within `ready_s`;
    Chunk7Error for a command that cannot be executed; UsageError for a folder that is none.
    """
    assert adapter.start is not None, "only an adapter with start is started"
    place = _place(adapter, adapter.start)
    names = ["target"] if adapter.start.processes == 1 else ["target-1", "target-2"]
    for left in reversed(range(STARTS)):
        ports = free_ports(len(names))
        parts = [
            _part(adapter.start, name, port, redis_url, place, folder)
            for name, port in zip(names, ports, strict=True)
        ]
        try:
            await cluster.start(*parts)
            break
        except PartDied as error:
            if left == 0 or not port_was_taken(error):
                raise
            await cluster.stop()
    return at_ports(adapter, ports)


class StartedTarget:
    """A target alone, stopped with the block. Raises as `start`."""

    def __init__(self, adapter: Adapter, redis_url: str | None, folder: Path) -> None:
        self.adapter = adapter
        """With the addresses of the processes that run now."""
        self._redis_url = redis_url
        self._folder = folder
        self._cluster = Cluster(folder)

    async def __aenter__(self) -> Self:
        await self.restart()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._cluster.stop()

    async def restart(self, redis_url: str | None = None) -> None:
        """Stop it and start it anew, with another store if one is named."""
        await self._cluster.stop()
        self._redis_url = redis_url or self._redis_url
        try:
            self.adapter = await start(self._cluster, self.adapter, self._redis_url, self._folder)
        except BaseException:  # the block may not even have begun
            await self._cluster.stop()
            raise

    def check(self) -> None:
        """Raise PartDied if one of its processes has ended."""
        for process in self._cluster.processes:
            if not process.alive:
                raise process.death()


def _place(adapter: Adapter, rule: StartRule) -> Path:
    place = Path(adapter.file).resolve().parent / rule.folder
    if not place.is_dir():
        raise UsageError(f"{adapter.file}: start.folder: no folder {place}")
    return place


def _part(
    rule: StartRule, name: str, port: int, redis_url: str | None, place: Path, folder: Path
) -> Part:
    # A program that is installed looks for modules where it is, not where it is started.
    modules = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "PYTHONPATH": os.pathsep.join(modules),
        **rule.environment,
        "PORT": str(port),
        **({} if redis_url is None else {"REDIS_URL": redis_url}),
    }
    return Part(
        name,
        tuple(word.replace("{port}", str(port)) for word in rule.command),
        folder / "logs" / f"{name}.log",
        ready=lambda: accepts(HOST, port),
        ready_within_s=rule.ready_s,
        stop_within_s=STOP_WITHIN_S,
        orphan_signal=signal.SIGTERM,  # it may have children
        environment=environment,
        folder=place,
    )
