"""What faults do to a cluster in containers."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chunk7.cluster.deployments.calls import ask_store, put
from chunk7.cluster.deployments.containers import Container, Containers
from chunk7.cluster.deployments.parts import HOST
from chunk7.cluster.jobs.progress import timetable_of
from chunk7.delivery.errors import Chunk7Error, PartDied, StoreError
from chunk7.wire.plan import Timetable

SNAPSHOT = Path("store", "dump.rdb")
"""In the run folder: what the store saves at its end."""
_STORE_PORT, _PRODUCER_PORT, _CONTROL_PORT = 6379, 8081, 8082
_POLL_S = 0.1


class ComposeControls:
    """Of one started cluster; `chunk7.faults.live.Controls` says what each method does.

    Nodes go by the names that they record under: `node-ID`, and as they were started again
    `node-ID-2`, `node-ID-3`. `planned` is shared with whoever watches the containers: the ids of
    those whose end is no accident.
    """

    def __init__(
        self,
        containers: Containers,
        listed: Sequence[Container],
        planned: set[str],
        folder: Path,
        latency_ms: float,
        on_death: Callable[[str], None],
    ) -> None:
        self._containers = containers
        self._planned = planned
        self._folder = folder
        self._latency_ms = latency_ms
        self._on_death = on_death
        self._parts = {_first_name(container): container for container in listed}
        """Each by the name of its first life."""
        self._lives = dict.fromkeys(self._parts, 1)
        self._first = {name: name for name in self._parts}
        """By any name that a part has had."""
        self.timetable: Timetable | None = None

    @property
    def nodes(self) -> Sequence[str]:
        """In the order of their numbers."""
        nodes = [name for name, part in self._parts.items() if part.service == "node"]
        return [self._now(name) for name in sorted(nodes, key=lambda n: self._parts[n].number)]

    async def kill(self, part: str) -> None:
        """SIGKILL; `on_death` is told whom, as its records will have no end."""
        self._on_death(self._now(part))
        await self._end(part, self._containers.kill)

    async def stop(self, part: str) -> None:
        """SIGTERM, and SIGKILL to one that does not heed it."""
        await self._end(part, self._containers.stop)

    async def start(self, part: str) -> str:
        """Under its next name. Whoever waits for it has to bound that."""
        container = self._part(part)
        await asyncio.to_thread(self._containers.start, container)
        while not await asyncio.to_thread(self._containers.answers, container):
            if (await asyncio.to_thread(self._containers.look, container)).status == "exited":
                raise PartDied(f"{container.title} ended as it was started again")
            await asyncio.sleep(_POLL_S)
        self._planned.discard(container.id)
        self._lives[self._first[part]] += 1
        name = self._now(part)
        self._first[name] = self._first[part]
        return name

    async def pause(self, part: str) -> None:
        """By the freezer of its control group: all its processes at once."""
        await asyncio.to_thread(self._containers.pause, self._part(part))

    async def resume(self, part: str) -> None:
        """It goes on."""
        await asyncio.to_thread(self._containers.unpause, self._part(part))

    async def reload_proxy(self) -> None:
        """SIGHUP, which the container's init passes on to nginx's master."""
        await asyncio.to_thread(self._containers.kill, self._part("proxy"), "SIGHUP")

    async def store(self, *command: str | bytes | int) -> Any:
        """To the store itself, past whatever stands before it."""
        return await ask_store(f"redis://{await self._place('store', _STORE_PORT)}/0", *command)

    async def restart_store(self, keep: bool) -> None:
        """With SHUTDOWN SAVE, or killed and without what it had saved before."""
        if keep:
            store = self._part("store")
            self._planned.add(store.id)
            with contextlib.suppress(StoreError):  # what ends does not answer
                await self.store("SHUTDOWN", "SAVE", "NOW", "FORCE")
            await asyncio.to_thread(self._containers.wait_end, store)
        else:
            await self._end("store", self._containers.kill)
            (self._folder / SNAPSHOT).unlink(missing_ok=True)
        await self.start("store")

    async def set_latency(self, latency_ms: float | None) -> None:
        """By the delay before the store."""
        wanted = self._latency_ms if latency_ms is None else latency_ms
        await self._put("delay", _CONTROL_PORT, "/latency", {"latency_ms": wanted})

    async def set_link(self, part: str, **state: bool) -> None:
        """By the link before the store."""
        await self._put("link", _CONTROL_PORT, f"/parts/{part}", state)

    async def timetables(self) -> Timetable | None:
        """The producer's timetable, as it has it; None while it has none, or is not there."""
        port = await asyncio.to_thread(
            self._containers.published, self._part("producer"), _PRODUCER_PORT
        )
        return None if port is None else await timetable_of(f"http://{HOST}:{port}")

    async def resume_timetable(self) -> None:
        """As it was placed, epoch and all."""
        if self.timetable is not None:
            body = msgspec.to_builtins(self.timetable)
            await self._put("producer", _PRODUCER_PORT, "/timetable", body)

    # --- what only a replica can do: `cluster.settings` lets no fault get so far ---

    async def fail_over(self, down_ms: float) -> None:
        """Raises Chunk7Error: there is no replica."""
        raise Chunk7Error("containers have no replica of the store")

    async def restore_replica(self) -> None:
        """Raises as `fail_over`."""
        await self.fail_over(0)

    async def set_lag(self, lag_ms: float) -> None:
        """Raises as `fail_over`."""
        await self.fail_over(0)

    # --- within ---

    async def _end(self, part: str, how: Callable[[Container], None]) -> None:
        container = self._part(part)
        self._planned.add(container.id)
        await asyncio.to_thread(how, container)
        await asyncio.to_thread(self._containers.wait_end, container)

    def _part(self, name: str) -> Container:
        return self._parts[self._first[name]]

    def _now(self, name: str) -> str:
        """The name that a part has now."""
        life = self._lives[self._first[name]]
        return self._first[name] if life == 1 else f"{self._first[name]}-{life}"

    async def _put(self, part: str, port: int, path: str, body: object) -> None:
        await put(f"http://{await self._place(part, port)}{path}", body)

    async def _place(self, part: str, port: int) -> str:
        """HOST:PORT, as it is just now."""
        found = await asyncio.to_thread(self._containers.published, self._part(part), port)
        if found is None:
            raise Chunk7Error(f"{part} is not there")
        return f"{HOST}:{found}"


def _first_name(container: Container) -> str:
    """A node's has its container's id in it, as `chunk7.container` says; of others there is one."""
    return f"node-{container.id[:12]}" if container.service == "node" else container.service
