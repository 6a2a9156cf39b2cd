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
from chunk7.cluster.deployments.store_parts import REPLICATED_WITHIN_S
from chunk7.cluster.jobs.progress import Stopped, timetable_of
from chunk7.delivery.errors import Chunk7Error, PartDied, StoreError
from chunk7.wire.plan import Timetable

STORE, REPLICA, BACK = "store", "replica", "lag-back"
_LAG = {STORE: "lag", REPLICA: BACK}
"""By the primary: what its replica hears from it through."""
_SNAPSHOT = "dump.rdb"
"""In the run folder, under the store's name: what it saves at its end."""
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
        self._primary, self._replica = STORE, REPLICA
        self._lag_ms = 0.0
        self.timetable: Timetable | None = None

    @property
    def nodes(self) -> Sequence[str]:
        """In the order of their numbers."""
        nodes = [name for name, part in self._parts.items() if part.service == "node"]
        return [self._now(name) for name in sorted(nodes, key=lambda n: self._parts[n].number)]

    async def kill(self, part: str) -> None:
        """SIGKILL; `on_death` is told whom, as its records will have no end."""
        self._on_death(self._now(part))
        await self._end(self._part(part), self._containers.kill)

    async def stop(self, part: str) -> None:
        """SIGTERM, and SIGKILL to one that does not heed it."""
        await self._end(self._part(part), self._containers.stop)

    async def start(self, part: str) -> str:
        """Under its next name. Whoever waits for it has to bound that."""
        self._lives[self._first[part]] += 1  # whether or not somebody waits until it answers
        name = self._now(part)
        self._first[name] = self._first[part]
        await self._begin(self._part(part))
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
        """To the primary of this moment, past whatever stands before it."""
        return await self._ask(self._primary, *command)

    async def restart_store(self, keep: bool) -> None:
        """With SHUTDOWN SAVE, or killed and without what it had saved before."""
        store = self._part(STORE)
        if keep:
            self._planned.add(store.id)
            with contextlib.suppress(StoreError):  # what ends does not answer
                await self.store("SHUTDOWN", "SAVE", "NOW", "FORCE")
            await asyncio.to_thread(self._containers.wait_end, store)
        else:
            await self._end(store, self._containers.kill)
            self._forget(self._primary)
        await self._begin(store)

    async def fail_over(self, down_ms: float) -> None:
        """The replica hears no more of what was on its way as the primary died."""
        old, new = self._primary, self._replica
        await self._end(self._parts[_LAG[old]], self._containers.kill)
        await self._end(self._parts[old], self._containers.kill)
        await asyncio.sleep(down_ms / 1_000)
        self._primary, self._replica = new, old
        await self.store("REPLICAOF", "NO", "ONE")
        await self._put("link", _CONTROL_PORT, "/store", {"to": f"{new}:{_STORE_PORT}"})

    async def restore_replica(self) -> None:
        """With a delay of its own once more, as far behind as the one before."""
        self._forget(self._replica)
        await self._begin(self._parts[self._replica])
        await self._begin(self._parts[_LAG[self._primary]])
        await self.replicate()
        await self.set_lag(self._lag_ms)
        to, replica = (f"{name}:{_STORE_PORT}" for name in (self._primary, self._replica))
        await self._put("link", _CONTROL_PORT, "/store", {"to": to, "replica": replica})

    async def replicate(self) -> None:
        """Have the replica follow the primary. Raises Chunk7Error when it is not in step in time.

        Both, and what is between them, are there.
        """
        await self._ask(self._replica, "REPLICAOF", _LAG[self._primary], _STORE_PORT)
        for _ in range(round(REPLICATED_WITHIN_S / _POLL_S)):
            if b"master_link_status:up" in await self._ask(self._replica, "INFO", "replication"):
                return
            await asyncio.sleep(_POLL_S)
        raise Chunk7Error(f"the replica was not in step within {REPLICATED_WITHIN_S:g} s")

    async def set_lag(self, lag_ms: float) -> None:
        """By the delay that the replica hears through."""
        self._lag_ms = lag_ms
        await self._put(_LAG[self._primary], _CONTROL_PORT, "/latency", {"latency_ms": lag_ms})

    async def set_latency(self, latency_ms: float | None) -> None:
        """By the delay before the store."""
        wanted = self._latency_ms if latency_ms is None else latency_ms
        await self._put("delay", _CONTROL_PORT, "/latency", {"latency_ms": wanted})

    async def set_link(self, part: str, **state: bool) -> None:
        """By the link before the store."""
        await self._put("link", _CONTROL_PORT, f"/parts/{part}", state)

    async def timetables(self) -> Timetable | Stopped | None:
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

    # --- within ---

    async def _end(self, container: Container, how: Callable[[Container], None]) -> None:
        self._planned.add(container.id)
        await asyncio.to_thread(how, container)
        await asyncio.to_thread(self._containers.wait_end, container)

    async def _begin(self, container: Container) -> None:
        await asyncio.to_thread(self._containers.start, container)
        self._planned.discard(container.id)
        while not await asyncio.to_thread(self._containers.answers, container):
            if (await asyncio.to_thread(self._containers.look, container)).status == "exited":
                raise PartDied(f"{container.title} ended as it was started again")
            await asyncio.sleep(_POLL_S)

    def _forget(self, store: str) -> None:
        (self._folder / store / _SNAPSHOT).unlink(missing_ok=True)

    def _part(self, name: str) -> Container:
        """`store` is the primary of this moment."""
        return self._parts[self._primary if name == STORE else self._first[name]]

    def _now(self, name: str) -> str:
        """The name that a part has now."""
        life = self._lives[self._first[name]]
        return self._first[name] if life == 1 else f"{self._first[name]}-{life}"

    async def _ask(self, name: str, *command: str | bytes | int) -> Any:
        """Of the store, or its replica, by the name of its first life."""
        return await ask_store(f"redis://{await self._place(name, _STORE_PORT)}/0", *command)

    async def _put(self, part: str, port: int, path: str, body: object) -> None:
        await put(f"http://{await self._place(part, port)}{path}", body)

    async def _place(self, part: str, port: int) -> str:
        """HOST:PORT of the container, as it is just now."""
        found = await asyncio.to_thread(self._containers.published, self._parts[part], port)
        if found is None:
            raise Chunk7Error(f"{part} is not there")
        return f"{HOST}:{found}"


def _first_name(container: Container) -> str:
    """A node's has its container's id in it, as `chunk7.container` says; of others there is one."""
    return f"node-{container.id[:12]}" if container.service == "node" else container.service
