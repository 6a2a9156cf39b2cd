"""Slow clients: closed, counted, recorded, and nobody else the slower."""

import asyncio
import contextlib

import pytest
from node_kit import RunningNode, StartNode, User, chunk, eventually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

BIG = "x" * 100_000


async def test_a_slow_client_is_closed_and_the_others_get_everything(
    start: StartNode, store: Store
) -> None:
    node = await start("--max-outbox-kb", "64")
    async with (
        node.client("history_then_subscribe") as quick,
        connect(
            node.url(ordering="history_then_subscribe", connection_id=13),
            compression=None,
            max_queue=1,
            ping_interval=None,
        ) as connection,
    ):
        slow = User(connection)
        await quick.frames(2)
        await slow.frames(2)
        connection.transport.pause_reading()
        published = 0
        while await node.metric("chunk7_node_slow_clients_total") == 0:
            published += 1
            assert published < 500, "the slow client was never noticed"
            await store.publish(chunk(published, text=BIG))
            assert await quick.frames(1) == [f"chunk {published}"]
        await store.publish(chunk(published + 1))
        assert await quick.frames(1) == [f"chunk {published + 1}"]
        connection.transport.resume_reading()
        received = await _until_closed(slow)
        assert received == [f"chunk {seq}" for seq in range(1, len(received) + 1)]
        assert await slow.closed() == (1013, "slow_client")
        assert len(received) == published
        await eventually(lambda: _left(node))
    await node.end()
    leave = next(row for row in node.table("leaves") if row["connection_id"] == 13)
    assert (leave["close_code"], leave["close_reason"]) == (1013, "slow_client")
    assert leave["live_count"] == published
    [event] = [row for row in node.table("events") if row["kind"] == "slow_client"]
    assert (event["session_id"], event["detail"]) == ("s", "connection 13")


async def _until_closed(user: User) -> list[str]:
    words: list[str] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            words += await user.frames(1)
    return words


async def _left(node: RunningNode) -> bool:
    return await node.metric("chunk7_node_clients") == 1


async def test_a_client_that_never_reads_again_is_cut_off(start: StartNode, store: Store) -> None:
    node = await start("--max-outbox-kb", "64", "--drain-s", "1")
    connection = await connect(
        node.url(ordering="history_then_subscribe"), compression=None, ping_interval=None
    )
    slow = User(connection)
    await slow.frames(2)
    connection.transport.pause_reading()
    published = 0
    while await node.metric("chunk7_node_slow_clients_total") == 0:
        published += 1
        await store.publish(chunk(published, text=BIG))
    await node.end()
    [leave] = node.table("leaves")
    assert (leave["close_code"], leave["close_reason"]) == (1013, "slow_client")
    connection.transport.abort()


async def test_a_history_larger_than_the_outbox_is_no_sign_of_slowness(
    start: StartNode, store: Store
) -> None:
    node = await start("--max-outbox-kb", "1")
    for seq in range(1, 101):
        await store.save(chunk(seq, text=BIG))
    async with node.client("subscribe_then_history") as user:
        history = await _history(user)
        assert len(history) == 100
        assert await user.frames(1) == ["welcome"]


async def _history(user: User) -> list[int]:
    async with asyncio.timeout(10):
        raw = await user.connection.recv(decode=False)
    assert raw.startswith(b'{"type":"history"')
    return list(range(raw.count(b'"seq":')))
