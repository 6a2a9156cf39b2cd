"""A node that keeps positions sends its clients what it has missed: live, on a real store."""

import pytest
from node_kit import RunningNode, StartNode, chunk, eventually, subscribers, write

from chunk7.delivery.chunk import stream_key
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

CHANNEL = stream_key("s").encode()
BEAT = ("--heartbeat-ms", "100")
NEVER = ("--heartbeat-ms", "60000")


async def recoveries(node: RunningNode) -> float:
    return await node.metric("chunk7_node_recoveries_total")


async def kill_subscriptions(store: Store) -> None:
    """End the node's Pub/Sub connection, as CLIENT KILL TYPE pubsub does for all."""
    clients: bytes = await store.link.send("CLIENT", "LIST")
    [line] = [one for one in clients.decode().splitlines() if "name=n1-subscriptions" in one]
    number = line.partition("id=")[2].partition(" ")[0]
    await store.link.send("CLIENT", "KILL", "ID", number)


async def go_deaf(node: RunningNode, store: Store) -> None:
    """The store forgets the node's subscription, and the node's hub is not told."""
    link = node.node._hub._link
    assert link is not None
    link.push("UNSUBSCRIBE", CHANNEL)

    async def nobody() -> bool:
        return await subscribers(store) == 0

    await eventually(nobody)


async def test_what_was_written_while_the_subscription_was_lost_comes_in_order(
    start: StartNode, store: Store
) -> None:
    node = await start(*NEVER)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await write(store, "atomic_lua", chunk(1))
        assert await user.frames(1) == ["chunk 1"]
        await kill_subscriptions(store)
        for seq in (2, 3):
            await write(store, "atomic_lua", chunk(seq))
        assert await user.until("history 2 3") == [
            "error store_lost",
            "error gap_possible",
            "history 2 3",
        ]
        await write(store, "atomic_lua", chunk(4))
        assert await user.frames(1) == ["chunk 4"]
        assert await recoveries(node) == 1


async def test_a_node_gone_deaf_notices_and_subscribes_again(
    start: StartNode, store: Store
) -> None:
    node = await start(*BEAT)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await go_deaf(node, store)
        await write(store, "atomic_lua", chunk(1))
        assert await user.frames(1) == ["history 1"]

        async def heard_again() -> bool:
            return await subscribers(store) == 1

        await eventually(heard_again)
        await write(store, "atomic_lua", chunk(2))
        assert await user.frames(1) == ["chunk 2"]


async def test_with_a_pubsub_a_client_each_heartbeat_reads_what_a_deaf_one_missed(
    start: StartNode, store: Store
) -> None:
    node = await start(*BEAT, "--subscriptions", "per-client")
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await store.next_seq("s")
        await store.save(chunk(1))
        assert await user.frames(1) == ["history 1"]
        await write(store, "atomic_lua", chunk(2))
        assert await user.frames(1) == ["chunk 2"]


async def test_a_live_chunk_that_is_not_the_next_waits_for_those_before_it(
    start: StartNode, store: Store
) -> None:
    node = await start(*NEVER)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await store.save(chunk(1))
        await store.publish(chunk(2))
        assert await user.frames(2) == ["history 1", "chunk 2"]
        assert await recoveries(node) == 1


async def test_a_chunk_that_was_saved_too_late_for_the_join_comes_with_a_heartbeat(
    start: StartNode, store: Store
) -> None:
    """Published before the subscription, saved after the read: `buffered_merge` loses it."""
    await store.next_seq("s")
    node = await start(*BEAT)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await store.save(chunk(1))
        assert await user.frames(1) == ["history 1"]


async def test_a_number_that_is_nobody_s_is_sought_three_times(
    start: StartNode, store: Store
) -> None:
    node = await start(*BEAT)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        await store.next_seq("s")

        async def given_up() -> bool:
            return await recoveries(node) == 3

        await eventually(given_up)
        for _ in range(5):
            await user.frame(heartbeats=True)
        assert await recoveries(node) == 3


async def test_numbers_that_begin_anew_are_sent_from_the_first(
    start: StartNode, store: Store
) -> None:
    node = await start(*BEAT)
    async with node.client("positioned_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        for seq in (1, 2, 3):
            await write(store, "atomic_lua", chunk(seq))
        assert await user.frames(3) == ["chunk 1", "chunk 2", "chunk 3"]
        await user.frame(heartbeats=True)
        await store.link.send("FLUSHALL")
        await write(store, "atomic_lua", chunk(1))
        assert await user.frames(1) == ["history 1"]
