"""Windows on /metrics: every join in both histograms, and no label per connection."""

import re

import pytest
from node_kit import RunningNode, StartNode, chunk, write

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


async def window(node: RunningNode, connect: str) -> tuple[float, float, float]:
    """(joins, seconds of hole, seconds of overlap)."""
    label = f'{{connect="{connect}"}}'
    joins = await node.metric(f"chunk7_node_hole_seconds_count{label}")
    assert await node.metric(f"chunk7_node_overlap_seconds_count{label}") == joins
    return (
        joins,
        await node.metric(f"chunk7_node_hole_seconds_sum{label}"),
        await node.metric(f"chunk7_node_overlap_seconds_sum{label}"),
    )


async def test_a_window_is_a_hole_or_an_overlap_by_the_order_of_the_two_steps(
    start: StartNode,
) -> None:
    node = await start("--node-work-ms", "50")
    for connect in CONNECT_ORDERINGS:
        async with node.client(connect) as user:
            await user.until("welcome")
    joins, hole_s, overlap_s = await window(node, "history_then_subscribe")
    assert (joins, overlap_s) == (1, 0)
    assert hole_s >= 0.05
    for connect in ("subscribe_then_history", "buffered_merge"):
        joins, hole_s, overlap_s = await window(node, connect)
        assert (joins, hole_s) == (1, 0)
        assert overlap_s >= 0.05
    assert await window(node, "redis_streams") == (1, 0, 0)


async def test_more_connections_users_and_sessions_add_no_series(
    node: RunningNode, store: Store
) -> None:
    async def connect(first: int, last: int) -> set[str]:
        """Connections of different users to different sessions; the samples' names after them."""
        for number in range(first, last):
            session_id = f"session-{number}"
            fields = {"connection_id": 770_000 + number, "user_id": f"user-{number}"}
            for ordering in CONNECT_ORDERINGS:
                async with node.client(ordering, session_id, **fields) as user:
                    await user.until("welcome")
                    await write(store, "atomic_lua", chunk(1, session_id))
        _, text = await node.get("/metrics")
        return {line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"}

    after_one = await connect(0, 1)
    after_many = await connect(1, 6)
    assert after_many == after_one
    assert not [name for name in after_many if re.search("session-|user-|77000", name)]
