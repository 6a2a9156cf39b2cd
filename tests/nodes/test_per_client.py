"""A node with one redis-py PubSub a client, as most relays have it, and where that ends."""

import pytest
from node_kit import StartNode, chunk, eventually, start_node, subscribers, write

from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


@pytest.fixture
def options() -> tuple[str, ...]:
    return ("--subscriptions", "per-client")


@pytest.mark.parametrize(
    "ordering",
    ["history_then_subscribe", "subscribe_then_history", "sequence_gap_fill", "buffered_merge"],
)
async def test_every_ordering_serves_its_clients_by_a_subscription_each(
    start: StartNode, store: Store, options: tuple[str, ...], ordering: str
) -> None:
    node = await start(*options)
    await write(store, "atomic_lua", chunk(1))
    async with node.client(ordering) as one, node.client(ordering) as other:
        for user in (one, other):
            assert sorted(await user.frames(2)) == ["history 1", "welcome"]
        await eventually(lambda: _are_subscribed(store, 2))
        await write(store, "atomic_lua", chunk(2))
        for user in (one, other):
            assert await user.frames(1) == ["chunk 2"]
        assert await node.metric("chunk7_node_channels") == 2
    await eventually(lambda: _are_subscribed(store, 0))
    await node.end()
    assert {row["error"] for row in node.table("joins")} == {None}
    assert all(row["subscribe_confirmed_ns"] for row in node.table("leaves"))


async def _are_subscribed(store: Store, count: int) -> bool:
    return await subscribers(store) == count


async def test_the_client_after_the_pools_last_connection_is_turned_away_and_told_so(
    store_url: str, tmp_path: object, store: Store, options: tuple[str, ...]
) -> None:
    """redis-py's pool ends at 100 by default; here it is told to end at 2."""
    node = await start_node(f"{store_url}?max_connections=2", tmp_path, *options)  # type: ignore[arg-type]
    async with (
        node.client("buffered_merge") as one,
        node.client("buffered_merge") as other,
        node.client("buffered_merge") as third,
    ):
        assert await one.frames(2) == await other.frames(2) == ["history", "welcome"]
        assert await third.closed() == (1011, "subscription: Too many connections")
        await write(store, "atomic_lua", chunk(1))
        assert await one.frames(1) == await other.frames(1) == ["chunk 1"]
    await node.end()


async def test_a_subscription_that_is_cut_ends_its_client_and_no_other(
    start: StartNode, store: Store, options: tuple[str, ...]
) -> None:
    """A PubSub of `Redis.from_url` does not connect again; a client left without one would wait."""
    node = await start(*options)
    async with node.client("buffered_merge") as one, node.client("buffered_merge", "t") as other:
        assert await one.frames(2) == await other.frames(2) == ["history", "welcome"]
        await store.link.send("CLIENT", "KILL", "ID", await _first_subscriber(store))
        assert await one.closed() == (1011, "subscription: Connection closed by server.")
        await write(store, "atomic_lua", chunk(1, "t"))
        assert await other.frames(1) == ["chunk 1"]
    await node.end()
    assert [row["kind"] for row in node.table("events")] == ["drain"]


async def _first_subscriber(store: Store) -> int:
    """The oldest connection that is subscribed."""
    clients: bytes = await store.link.send("CLIENT", "LIST", "TYPE", "pubsub")
    return min(int(line.split()[0].removeprefix("id=")) for line in clients.decode().splitlines())
