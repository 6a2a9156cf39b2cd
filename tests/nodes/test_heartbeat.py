"""Heartbeats: the head of every session, whatever its clients were sent."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from node_kit import StartNode, User, chunk, write

from chunk7.delivery.chunk import epoch_key
from chunk7.nodes import heartbeat
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.wire.frames import HeartbeatFrame
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


async def head(user: User, wanted: int) -> Any:
    """The first heartbeat with this head."""
    while True:
        frame = await user.frame(heartbeats=True)
        if isinstance(frame, HeartbeatFrame) and frame.head_seq == wanted:
            return frame


@pytest.mark.parametrize("ordering", CONNECT_ORDERINGS)
async def test_every_ordering_s_clients_are_told_the_head(
    start: StartNode, store: Store, ordering: str
) -> None:
    node = await start("--heartbeat-ms", "20")
    async with node.client(ordering) as user:
        assert await head(user, 0) == HeartbeatFrame(0)
        await store.next_seq("s")  # numbered, and never published
        assert await head(user, 1) == HeartbeatFrame(1)


async def test_each_session_is_told_its_own_head(start: StartNode, store: Store) -> None:
    node = await start("--heartbeat-ms", "20")
    await write(store, "atomic_lua", chunk(0, "a"))
    await write(store, "atomic_lua", chunk(0, "b"))
    await write(store, "atomic_lua", chunk(0, "b"))
    async with node.client("buffered_merge", "a") as a, node.client("buffered_merge", "b") as b:
        assert await head(a, 1) == HeartbeatFrame(1)
        assert await head(b, 2) == HeartbeatFrame(2)


async def test_no_heartbeat_comes_before_the_welcome(start: StartNode) -> None:
    node = await start("--heartbeat-ms", "10")
    async with node.client("history_then_subscribe", work_ms=100) as user:
        frames = [type(await user.frame(heartbeats=True)).__name__ for _ in range(3)]
    assert frames == ["HistoryFrame", "WelcomeFrame", "HeartbeatFrame"]


async def test_with_the_head_goes_the_epoch_of_its_numbers(start: StartNode, store: Store) -> None:
    node = await start("--heartbeat-ms", "20")
    await store.next_seq("s")
    await store.link.send("SET", epoch_key("s"), "e1")
    async with node.client("buffered_merge") as user:
        assert await head(user, 1) == HeartbeatFrame(1, "e1")


async def test_what_else_is_to_be_done_is_done_in_the_midst_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chunk that came behind the heads waited for the heartbeats of 64 clients."""

    async def heads(_store: Any, sessions: list[str]) -> list[tuple[int, None]]:
        asyncio.get_running_loop().call_soon(done.append, "chunk")
        return [(1, None) for _ in sessions]

    done: list[str] = []
    monkeypatch.setattr(heartbeat, "heads_and_epochs", heads)
    client = Mock(session_id="s", write=lambda _frame: done.append("heartbeat"))
    backend = Mock(down=asyncio.get_running_loop().create_future())
    await heartbeat._serve(backend, [client] * heartbeat.BATCH, Mock(), Mock())
    assert done.index("chunk") == heartbeat.AT_ONCE
    assert done.count("heartbeat") == heartbeat.BATCH
