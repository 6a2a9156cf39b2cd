"""What faults do to a cluster of local processes."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from chunk7.cluster.deployments.calls import ANSWER_WITHIN_S, ask_store, put
from chunk7.cluster.deployments.local import Endpoints
from chunk7.cluster.deployments.parts import HOST
from chunk7.cluster.deployments.store_parts import (
    REPLICA,
    REPLICATION,
    STORE,
    StoreTools,
    replicate,
)
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import StoreError
from chunk7.wire.plan import Timetable

_SNAPSHOT = "dump.rdb"
_PROXY = "nginx"


class LocalControls:
    """Of one started cluster; `chunk7.faults.live.Controls` says what each method does.

    A part that is started again records under a new name, so that the records of its earlier life
    stay what they are: `node-2`, `node-2-2`, `node-2-3`.
    """

    def __init__(
        self,
        cluster: Cluster,
        endpoints: Endpoints,
        folder: Path,
        latency_ms: float,
        on_death: Callable[[str], None],
    ) -> None:
        self._on_death = on_death
        self._cluster = cluster
        self._endpoints = endpoints
        self._folder = folder
        self._latency_ms = latency_ms
        self._slots = {name: name for name in endpoints.again}
        """By the name that a part has now, that under which it is started again."""
        self._lives = dict.fromkeys(endpoints.again, 1)
        self._primary, self._replica = STORE, REPLICA
        self._lag_ms = 0.0
        self.timetable: Timetable | None = None
        """That of the producer, for one that has to go on with it."""

    @property
    def nodes(self) -> Sequence[str]:
        """In the order of their ports."""
        return sorted(
            (name for name, slot in self._slots.items() if slot.startswith("node-")),
            key=lambda name: int(self._slots[name].removeprefix("node-")),
        )

    async def kill(self, part: str) -> None:
        """SIGKILL; `on_death` is told whom, as its records will have no end."""
        name = self._now(part)
        self._on_death(name)
        await self._cluster.end(name, kill=True)

    async def stop(self, part: str) -> None:
        """SIGTERM, and SIGKILL to one that does not heed it."""
        await self._cluster.end(self._now(part))

    async def start(self, part: str) -> str:
        """Under its next name."""
        before = self._now(part)
        slot = self._slots.pop(before)
        self._lives[slot] += 1
        name = f"{slot}-{self._lives[slot]}"
        self._slots[name] = slot
        await self._cluster.start_beside(self._endpoints.again[slot](name), before)
        return name

    async def pause(self, part: str) -> None:
        """SIGSTOP."""
        self._cluster.process(self._now(part)).freeze()

    async def resume(self, part: str) -> None:
        """SIGCONT."""
        self._cluster.process(self._now(part)).thaw()

    async def reload_proxy(self) -> None:
        """SIGHUP to nginx's master."""
        self._cluster.process(_PROXY).hang_up()

    async def store(self, *command: str | bytes | int) -> Any:
        """To the primary of this moment, past whatever stands before it."""
        return await ask_store(self._store_url(), *command)

    async def restart_store(self, keep: bool) -> None:
        """With SHUTDOWN SAVE, or killed and without its snapshot."""
        process = self._cluster.process(self._primary)
        if keep:
            process.end_planned = True
            with contextlib.suppress(StoreError):  # what ends does not answer
                await self.store("SHUTDOWN", "SAVE", "NOW", "FORCE")
            await asyncio.wait_for(process.wait(), ANSWER_WITHIN_S)
        await self._cluster.end(self._primary, kill=not keep)
        if not keep:
            (self._folder / self._primary / _SNAPSHOT).unlink(missing_ok=True)
        await self._cluster.start_beside(
            self._endpoints.again[self._primary](self._primary), self._primary
        )

    async def fail_over(self, down_ms: float) -> None:
        """The replica hears no more of what was on its way as the primary died."""
        old, new = self._primary, self._replica
        await self._cluster.end(REPLICATION, kill=True)
        await self._cluster.end(old, kill=True)
        await asyncio.sleep(down_ms / 1_000)
        self._primary, self._replica = new, old
        await self.store("REPLICAOF", "NO", "ONE")
        await self._put("/store", {"to": self._place(new)})

    async def restore_replica(self) -> None:
        """With a delay of its own once more, as far behind as the one before."""
        new, old = self._primary, self._replica
        await self._cluster.start_beside(self._endpoints.again[old](old), old)
        await replicate(self._cluster, self._tools, self._tools.ports[new], self._tools.ports[old])
        await self.set_lag(self._lag_ms)
        await self._put("/store", {"to": self._place(new), "replica": self._place(old)})

    async def set_lag(self, lag_ms: float) -> None:
        """By the delay that the replica hears through."""
        self._lag_ms = lag_ms
        _, control = self._tools.replication
        await put(f"http://{HOST}:{control}/latency", {"latency_ms": lag_ms})

    async def set_latency(self, latency_ms: float | None) -> None:
        """By the delay before the store."""
        wanted = self._latency_ms if latency_ms is None else latency_ms
        await put(f"{self._tools.delay}/latency", {"latency_ms": wanted})

    async def set_link(self, part: str, **state: bool) -> None:
        """By the link before the store."""
        await self._put(f"/parts/{part}", state)

    async def resume_timetable(self) -> None:
        """As it was placed, epoch and all."""
        if self.timetable is None:
            return
        await put(f"{self._endpoints.producer}/timetable", msgspec.to_builtins(self.timetable))

    # --- within ---

    @property
    def _tools(self) -> StoreTools:
        assert self._endpoints.tools is not None, "a local cluster has them"
        return self._endpoints.tools

    def _now(self, part: str) -> str:
        """The name that a part has now, of whichever life it was named."""
        if part == STORE:
            return self._primary
        if part in self._slots:
            return part
        return next(name for name, slot in self._slots.items() if slot == part)

    def _store_url(self) -> str:
        port = self._tools.ports.get(self._primary)
        return self._endpoints.store if port is None else f"redis://{HOST}:{port}/0"

    def _place(self, name: str) -> str:
        return f"{HOST}:{self._tools.ports[name]}"

    async def _put(self, path: str, body: object) -> None:
        await put(f"{self._tools.link}{path}", body)
