"""What is published past a node's clients is noticed, and nothing else is."""

import pytest
from node_kit import RunningNode, StartNode, chunk, eventually, write

from chunk7.nodes.unheard import Unheard
from chunk7.wire.frames import HeartbeatFrame
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


def counted(*beats: dict[str, tuple[int, int | None]]) -> int:
    """What is counted after these beats: each has (head, messages heard) by session."""
    counts: list[int] = []
    heard: dict[str, int | None] = {}
    unheard = Unheard(lambda session_id: heard[session_id], counts.append)
    for beat in beats:
        heard.update({session_id: messages for session_id, (_, messages) in beat.items()})
        unheard.begin()
        unheard.beat((session_id, head) for session_id, (head, _) in beat.items())
    return sum(counts)


def test_numbers_taken_while_the_channel_is_mute_are_counted_once() -> None:
    assert counted({"s": (1, 0)}, {"s": (4, 0)}, {"s": (4, 0)}, {"s": (4, 0)}) == 3


def test_a_chunk_has_one_beat_s_time_to_come() -> None:
    assert counted({"s": (1, 0)}, {"s": (2, 0)}, {"s": (3, 1)}, {"s": (4, 2)}) == 0


def test_a_session_without_a_subscription_is_left_out() -> None:
    assert counted({"s": (1, None)}, {"s": (4, None)}, {"s": (4, None)}) == 0


def test_a_session_that_was_away_begins_anew() -> None:
    assert counted({"s": (1, 0)}, {"s": (4, 0)}, {}, {"s": (4, 0)}, {"s": (4, 0)}) == 0


async def unheard(node: RunningNode) -> float:
    return await node.metric("chunk7_node_unheard_chunks_total")


async def test_a_node_counts_what_is_numbered_but_never_reaches_its_client(
    start: StartNode, store: Store
) -> None:
    node = await start("--heartbeat-ms", "100")
    async with node.client("buffered_merge") as user:
        assert await user.frames(2) == ["history", "welcome"]
        for seq in range(1, 4):
            await write(store, "atomic_lua", chunk(seq))
        assert await user.frames(3) == ["chunk 1", "chunk 2", "chunk 3"]
        while await user.frame(heartbeats=True) != HeartbeatFrame(3):
            pass  # bounded by `frame`
        assert await unheard(node) == 0
        for _ in range(20):
            await store.next_seq("s")  # as if published to another channel

        async def all_counted() -> bool:
            return await unheard(node) == 20

        await eventually(all_counted)
