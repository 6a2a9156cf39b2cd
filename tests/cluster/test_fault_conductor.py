"""Who carries out a timetable's faults: what strikes, in which order, and what is written down."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conductor_kit import events
from store_kit import Server, server

from chunk7.cluster.jobs.faults import conduct, fault_records
from chunk7.delivery.errors import Chunk7Error
from chunk7.wire.clock import boot_id, now_ns
from chunk7.wire.plan import Cell, Plan, Timetable
from chunk7.wire.store.link import Link

pytestmark = pytest.mark.clocked

CELLS = [Cell("history_then_subscribe", "atomic_lua")]


class Kept:
    """Controls before a store that is real, and nodes that are names; it keeps what was done."""

    def __init__(self, store: Server | None, on_death: Any) -> None:
        self._store, self._on_death = store, on_death
        self.done: list[str] = []
        self.nodes: Sequence[str] = ("node-1",)

    async def store(self, *command: str | bytes | int) -> Any:
        if self._store is None:
            raise Chunk7Error("the store did not answer")
        link = await Link.open(f"redis://127.0.0.1:{self._store.port}/0", "faults")
        try:
            return await link.send(*command)
        finally:
            await link.close()

    async def kill(self, part: str) -> None:
        self._on_death(part)
        self.done.append(f"kill {part}")

    async def start(self, part: str) -> str:
        self.done.append(f"start {part}")
        return f"{part}-2"


def timetable(*faults: str, ago_ms: float = 0.0) -> Timetable:
    plan = Plan(run="r", cells=CELLS, faults=faults, duration_ms=4_000)
    return Timetable(plan, now_ns() - round(ago_ms * 1e6), 0, boot_id(), [])


async def conducted(
    folder: Path, plan: Timetable, store: Server | None = None
) -> tuple[list[str], list[tuple[str, str]]]:
    """What was done, and the events that were recorded."""
    with fault_records(folder) as records:
        kept = Kept(store, records.planned_death)
        controls: Any = kept
        await conduct(controls, plan, records, asyncio.Event())
    return kept.done, events(folder)


async def test_a_killed_node_is_written_down_before_it_dies_and_started_again(
    tmp_path: Path,
) -> None:
    done, rows = await conducted(tmp_path, timetable("node_kill@1ms:for=1ms"))
    assert done == ["kill node-1", "start node-1"]
    assert rows == [
        ("fault_planned_death", "node-1"),
        ("fault_began", "node_kill node-1"),
        ("fault_ended", "node_kill node-1"),
    ]


async def test_a_trim_leaves_a_real_stores_lists_with_their_newest_alone(tmp_path: Path) -> None:
    with server(tmp_path / "store") as store:
        store.ask("RPUSH", "list", *range(50))
        before = store.ask("LLEN", "list")
        _, rows = await conducted(tmp_path, timetable("trim@1ms"), store)
        assert store.ask("LLEN", "list") < before
        assert store.ask("LINDEX", "list", -1) == b"49"
    assert rows == [("fault_began", "trim store"), ("fault_ended", "trim store")]


async def test_what_expires_is_gone_and_the_name_of_the_counters_life_stays(tmp_path: Path) -> None:
    with server(tmp_path / "store") as store:
        store.ask("RPUSH", "chat:history:s", "chunk")
        store.ask("SET", "chat:seq:s", 1)
        store.ask("SET", "chat:epoch:s", "life")
        _, rows = await conducted(tmp_path, timetable("expire@1ms"), store)
        gone = [store.ask("PTTL", key) in (-2, 0, 1) for key in ("chat:history:s", "chat:seq:s")]
        assert (gone, store.ask("PTTL", "chat:epoch:s")) == ([True, True], -1)
    assert rows == [("fault_began", "expire store"), ("fault_ended", "expire store")]


async def test_what_the_users_do_themselves_is_not_the_conductors(tmp_path: Path) -> None:
    assert await conducted(tmp_path, timetable("slow_client@1ms:for=1ms")) == ([], [])


async def test_a_moment_that_is_long_past_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    """Nobody could tell from the records that a fault had been planned which never struck."""
    left_out = [("fault_left_out", "node_kill")]
    assert await conducted(tmp_path, timetable("node_kill@1ms", ago_ms=60_000)) == ([], left_out)


async def test_a_fault_that_cannot_be_done_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Chunk7Error, match="--fault trim: the store did not answer"):
        await conducted(tmp_path, timetable("trim@1ms"))
