"""A target that chunk7 starts itself, as `start:` of its adapter says; again as often as wanted."""

import asyncio
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import msgspec

from chunk7.cluster.deployments.local import HOST
from chunk7.cluster.deployments.parts import Part, Process
from chunk7.cluster.deployments.probes import accepts, free_ports
from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.adapter import Adapter, StartRule

STOP_WITHIN_S = 2.0


class StartedTarget:
    """The processes of a target, stopped with the block.

    folder: of its log. Raises PartDied, with its own last lines, when it ends or does not listen
    within `ready_s`; UsageError for a folder that is none.
    """

    def __init__(self, adapter: Adapter, redis_url: str, folder: Path) -> None:
        assert adapter.start is not None, "only an adapter with start is started"
        self._written = adapter
        self._rule: StartRule = adapter.start
        self._redis_url = redis_url
        self._folder = folder
        self._processes: list[Process] = []
        self.adapter = adapter
        """With the addresses of the processes that run now."""

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def restart(self, redis_url: str | None = None) -> None:
        """Stop it and start it anew, with another store if one is named."""
        await self._stop()
        self._redis_url = redis_url or self._redis_url
        await self._start()

    def check(self) -> None:
        """Raise PartDied if one of its processes has ended."""
        for process in self._processes:
            if not process.alive:
                raise process.death()

    async def _start(self) -> None:
        ports = free_ports(self._rule.processes)
        for number, port in enumerate(ports, 1):
            self._processes.append(await Process.start(self._part(number, port)))
        await asyncio.gather(*(process.wait_ready() for process in self._processes))
        self.adapter = moved(self._written, ports[0], ports[-1])

    async def _stop(self) -> None:
        processes, self._processes = self._processes, []
        await asyncio.gather(*(process.stop(STOP_WITHIN_S) for process in processes))

    def _part(self, number: int, port: int) -> Part:
        rule = self._rule
        folder = Path(self._written.file).resolve().parent / rule.folder
        if not folder.is_dir():
            raise UsageError(f"{self._written.file}: start.folder: no folder {folder}")
        command = tuple(word.replace("{port}", str(port)) for word in rule.command)
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return Part(
            "target" if rule.processes == 1 else f"target-{number}",
            command,
            self._folder / "logs" / f"target-{number}.log",
            ready=lambda: accepts(HOST, port),
            ready_within_s=rule.ready_s,
            stop_within_s=STOP_WITHIN_S,
            orphan_signal=signal.SIGTERM,
            environment={
                "PYTHONPATH": os.pathsep.join(paths),
                **rule.environment,
                "PORT": str(port),
                "REDIS_URL": self._redis_url,
            },
            folder=folder,
        )


def moved(adapter: Adapter, port: int, ask_port: int) -> Adapter:
    """The adapter with its URLs led to these ports of this machine."""
    changed: dict[str, Any] = {"url": _at(adapter.url, port)}
    if adapter.ask is not None:
        asking = msgspec.structs.replace(adapter.ask, url=_at(adapter.ask.url, ask_port))
        changed["ask"] = asking
    return msgspec.structs.replace(adapter, **changed)


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{HOST}:{port}"))
