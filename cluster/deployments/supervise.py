"""Starts parts in order, watches all of them, and stops them whatever happens."""

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from chunk7.cluster.deployments.parts import Part, Process
from chunk7.wire.whole_files import write_whole

Result = TypeVar("Result")

STOP_WITHIN_S = 5.0
"""All parts together, before those that are left are killed."""


class Cluster:
    """The parts of one run, oldest first.

    >>> async with Cluster(folder) as cluster:
    ...     await cluster.start(store)
    ...     await cluster.start(node_1, node_2, producer)
    ...     [locust] = await cluster.start(load)
    ...     await cluster.while_alive(locust.wait())

    Leaving the block stops everything in reverse order: on success, failure and cancellation.
    `pids.json` in `folder` names the process id of every part ever started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: list[list[Process]] = []
        self._stage_of: dict[str, list[Process]] = {}
        self._pids: dict[str, int] = {}
        self._changed = asyncio.Event()
        """Parts were ended or started on purpose."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def processes(self) -> list[Process]:
        """Everything started so far, in order."""
        return [process for stage in self._stages for process in stage]

    async def start(self, *parts: Part) -> list[Process]:
        """Start these at the same time and wait until all are ready.

        Raises PartDied when one of them, or one started earlier, ends or is not ready in time.
        """
        stage = await self.begin(*parts)
        await self.ready(stage)
        return stage

    async def begin(self, *parts: Part) -> list[Process]:
        """Start these, and do not wait. Raises Chunk7Error when one cannot be executed."""
        stage: list[Process] = []
        self._stages.append(stage)
        for part in parts:
            stage.append(await Process.start(part))
            self._stage_of[part.name] = stage
            self._write_pids()
        return stage

    async def ready(self, stage: list[Process]) -> None:
        """Wait until all of what `begin` started are ready; raises PartDied as `start`."""
        await self.while_alive(_all_ready(stage))

    async def while_alive(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do the work, but raise PartDied as soon as any part has ended that should not have."""
        working = asyncio.create_task(work)
        watching = asyncio.create_task(self._first_death())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                raise watching.result().death()
            for process in self.processes:  # one that was waited for may be heard of sooner
                if process.died:
                    raise process.death()
            return await working
        finally:
            await _cancel(working, watching)

    async def _first_death(self) -> Process:
        """The first part whose end nobody planned."""
        while True:
            self._changed.clear()
            change = asyncio.create_task(self._changed.wait())
            watched = {asyncio.create_task(_unplanned_end(one)): one for one in self.processes}
            try:
                await asyncio.wait({change, *watched}, return_when=asyncio.FIRST_COMPLETED)
                for task, process in watched.items():
                    if task.done():
                        return process
            finally:
                await _cancel(change, *watched)

    # --- ends that are planned ---

    def process(self, name: str) -> Process:
        """The newest process of this name. Raises KeyError."""
        return {process.part.name: process for process in self.processes}[name]

    async def end(self, name: str, kill: bool = False) -> None:
        """End one part, and let that end nothing else; by SIGTERM unless `kill`."""
        process = self.process(name)
        process.end_planned = True
        await process.stop(0.0 if kill else process.part.stop_within_s)
        self._forget(process)

    async def start_beside(self, part: Part, instead_of: str) -> Process:
        """Start one more part while others are watched, and wait until it is ready.

        It is stopped with those that `instead_of` was started with: a store outlives its nodes.
        Raises PartDied when it ends first, or is not ready in time; KeyError.
        """
        process = await Process.start(part)
        stage = self._stage_of[part.name] = self._stage_of[instead_of]
        stage.append(process)
        self._write_pids()
        self._changed.set()
        await process.wait_ready()
        return process

    def _forget(self, process: Process) -> None:
        for stage in self._stages:
            if process in stage:
                stage.remove(process)
        self._changed.set()

    async def stop(self) -> None:
        """Stop everything, last started first, within STOP_WITHIN_S, then kill."""
        deadline = time.monotonic() + STOP_WITHIN_S
        while self._stages:
            stage = self._stages[-1]
            left_s = max(0.0, deadline - time.monotonic())
            await asyncio.gather(*(process.stop(left_s) for process in stage))
            self._stages.pop()

    def _write_pids(self) -> None:
        self._pids |= {process.part.name: process.pid for process in self.processes}
        write_whole(self._folder / "pids.json", json.dumps(self._pids, indent=1) + "\n")


async def _all_ready(stage: list[Process]) -> None:
    waits = [asyncio.create_task(process.wait_ready()) for process in stage]
    try:
        await asyncio.gather(*waits)
    finally:
        await _cancel(*waits)


async def _unplanned_end(process: Process) -> None:
    """Returns once the part has ended, unless that end is the one it was started for."""
    await process.wait()
    if not process.died:
        await asyncio.Event().wait()  # nothing to tell; cancelled with the watch


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
