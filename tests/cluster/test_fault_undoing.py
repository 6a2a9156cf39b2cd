"""A load test that begins while a fault of the one before is under way finds the cluster whole.

Such a strike was cancelled and no more was done about it: a node that `node_kill` had killed stayed
dead for all load tests after it, a store that stood still stood still for ever, and a failover
broken off between the old primary's death and the promotion of its replica left no store at all.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import events

from chunk7.cluster.jobs import faults
from chunk7.cluster.jobs.faults import fault_records, follow_timetables
from chunk7.cluster.jobs.progress import Stopped, Timetables
from chunk7.delivery.errors import Chunk7Error
from chunk7.faults import LIVE
from chunk7.faults.live import Conducted
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Cell, Plan, Timetable

pytestmark = pytest.mark.clocked

CONDUCTED = [name for name, fault in LIVE.items() if isinstance(fault, Conducted)]
ANSWERS = {
    "SCAN": [b"0", [b"chat:history:s"]],
    "INFO": b"evicted_keys:0\r\n",
    "CLIENT": 1,
}


class Pictured:
    """A cluster that is a dictionary. What takes a while waits in its midst for the next order."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"primary": "store", "replica": "replica"}
        self.state |= dict.fromkeys(("node-1", "node-2", "producer", "store", "proxy"), "runs")
        self.whole = dict(self.state)
        self.nodes: Sequence[str] = ("node-1", "node-2")
        self.timetable: Timetable | None = None
        self.touched = asyncio.Event()
        self.next_order = asyncio.Event()

    async def _midst(self) -> None:
        self.touched.set()
        await self.next_order.wait()

    async def kill(self, part: str) -> None:
        self.state[part] = "dead"
        self.touched.set()

    async def stop(self, part: str) -> None:
        self.state[part] = "dead"
        await self._midst()

    async def start(self, part: str) -> str:
        self.state[part] = "runs"
        return part

    async def pause(self, part: str) -> None:
        self.state[part] = "frozen"
        self.touched.set()

    async def resume(self, part: str) -> None:
        self.state[part] = "runs"

    async def reload_proxy(self) -> None:
        await self._midst()

    async def store(self, *command: str | bytes | int) -> Any:
        if command[:2] == ("CONFIG", "SET"):
            self.state[str(command[2])] = command[3]
            if command[2] == "maxmemory":
                self.whole["maxmemory"], self.whole["maxmemory-policy"] = 0, "allkeys-lru"
        await self._midst()
        return ANSWERS.get(str(command[0]), 0)

    async def restart_store(self, keep: bool) -> None:
        self.state["store"] = "dead"
        await self._midst()
        self.state["store"] = "runs"

    async def fail_over(self, down_ms: float) -> None:
        self.state |= {"primary": None, "replica": None}
        await self._midst()
        self.state["primary"] = "replica"

    async def restore_replica(self) -> None:
        self.state["replica"] = "store"
        self.whole |= {"primary": "replica", "replica": "store"}

    async def set_lag(self, lag_ms: float) -> None:
        pass

    async def set_latency(self, latency_ms: float | None) -> None:
        self.state["latency"] = latency_ms
        self.whole["latency"] = None
        self.touched.set()

    async def set_link(self, part: str, **state: bool) -> None:
        self.state |= {f"{part} {what}": on for what, on in state.items()}
        self.whole |= {f"{part} {what}": False for what in state}
        self.touched.set()

    async def resume_timetable(self) -> None:
        pass


def ordered(*planned: str) -> Timetable:
    plan = Plan(
        run="r",
        cells=[Cell("history_then_subscribe", "atomic_lua")],
        faults=planned,
        duration_ms=60_000,
        lead_ms=0,
    )
    return Timetable(plan, now_ns(), 0, boot_id(), [])


class SeenEnoughError(Exception):
    """The test ends here."""


async def followed(
    folder: Path, cluster: Pictured, timetables: Callable[[], Timetable], ended: int
) -> None:
    """Conduct these until the last of them is, and so many strikes are over."""

    async def looked_up() -> Timetable:
        timetable = timetables()
        over = sum(kind == "fault_ended" for kind, _ in events(folder))
        if cluster.timetable is timetable and over >= ended and cluster.next_order.is_set():
            raise SeenEnoughError
        return timetable

    await all_of(folder, cluster, looked_up)


async def all_of(folder: Path, cluster: Pictured, timetables: Timetables) -> None:
    """Conduct these until enough has been seen."""
    controls: Any = cluster
    with fault_records(folder) as records:
        async with asyncio.timeout(30):
            with contextlib.suppress(SeenEnoughError):
                await follow_timetables(controls, timetables, records)


async def ordered_anew(folder: Path, cluster: Pictured, first: str, *then: str) -> None:
    """A load test, and another one that begins once the cluster has been touched."""
    found = [ordered(first)]

    def timetables() -> Timetable:
        if cluster.touched.is_set() and len(found) == 1:
            found.append(ordered(*then))
            cluster.next_order.set()
        return found[-1]

    await followed(folder, cluster, timetables, ended=1 + len(then))


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_POLL_S", 0.01)


@pytest.mark.parametrize("name", CONDUCTED)
async def test_a_fault_under_way_is_undone_before_the_next_load_test(
    tmp_path: Path, name: str
) -> None:
    cluster = Pictured()
    lasts = ":for=50s" if LIVE[name].terms.lasts_ms is not None else ""
    await ordered_anew(tmp_path, cluster, f"{name}@0ms{lasts}")
    assert cluster.state == cluster.whole
    assert [kind for kind, _ in events(tmp_path)][-2:] == ["fault_began", "fault_ended"]


@pytest.mark.parametrize("name", CONDUCTED)
async def test_a_fault_under_way_is_undone_as_the_load_test_is_stopped(
    tmp_path: Path, name: str
) -> None:
    """It once went on until its own end, or the next test's beginning."""
    cluster = Pictured()
    lasts = ":for=50s" if LIVE[name].terms.lasts_ms is not None else ""
    one = ordered(f"{name}@0ms{lasts}", "node_kill@50s")

    async def timetables() -> Timetable | Stopped:
        if not cluster.touched.is_set():
            return one
        cluster.next_order.set()
        if any(kind == "fault_ended" for kind, _ in events(tmp_path)):
            raise SeenEnoughError
        return Stopped()

    await all_of(tmp_path, cluster, timetables)
    assert cluster.state == cluster.whole
    assert [kind for kind, _ in events(tmp_path)][-2:] == ["fault_began", "fault_ended"]


async def test_the_next_load_test_strikes_what_has_been_mended(tmp_path: Path) -> None:
    cluster = Pictured()
    await ordered_anew(tmp_path, cluster, "node_kill@0ms:for=50s", "store_pause@200ms:for=1ms")
    assert cluster.state == cluster.whole
    assert [row for row in events(tmp_path) if row[0] != "fault_planned_death"] == [
        ("fault_began", "node_kill node-1"),
        ("fault_ended", "node_kill node-1"),
        ("fault_began", "store_pause store"),
        ("fault_ended", "store_pause store"),
    ]


async def test_a_rolling_deploy_ends_with_the_node_in_hand(tmp_path: Path) -> None:
    cluster, stopped = Pictured(), list[str]()
    stop = cluster.stop

    async def counted(part: str) -> None:
        stopped.append(part)
        await stop(part)

    cluster.stop = counted  # type: ignore[method-assign]
    await ordered_anew(tmp_path, cluster, "node_drain@0ms")
    assert stopped == ["node-1"]


async def test_a_strike_still_to_come_is_never_made(tmp_path: Path) -> None:
    cluster = Pictured()
    cluster.touched.set()
    found = [ordered("node_kill@50s")]

    def timetables() -> Timetable:
        if cluster.timetable is found[0]:
            found.append(ordered())
            cluster.next_order.set()
        return found[-1]

    await followed(tmp_path, cluster, timetables, ended=0)
    assert (cluster.state, events(tmp_path)) == (cluster.whole, [])


async def test_what_cannot_be_undone_ends_the_run(tmp_path: Path) -> None:
    cluster = Pictured()

    async def start(part: str) -> str:
        raise Chunk7Error(f"{part} does not start")

    cluster.start = start  # type: ignore[method-assign]
    with pytest.raises(Chunk7Error, match="--fault node_kill: node-1 does not start"):
        await ordered_anew(tmp_path, cluster, "node_kill@0ms:for=50s")


async def test_a_run_that_ends_undoes_nothing_and_so_ends_at_once(tmp_path: Path) -> None:
    cluster = Pictured()
    one = ordered("node_kill@0ms:for=50s")

    def timetables() -> Timetable:
        if cluster.touched.is_set():
            raise SeenEnoughError
        return one

    await followed(tmp_path, cluster, timetables, ended=0)
    assert cluster.state["node-1"] == "dead"
