import pytest
from node_kit import RunningNode, chunk

from wire.store import Store

SEED_ORDER = {
    "history_then_subscribe": ["history 1 2", "welcome", "chunk 3"],
    "subscribe_then_history": ["history 1 2", "welcome", "chunk 3"],
    "redis_streams": ["history 1 2", "welcome", "chunk 3"],
    "sequence_gap_fill": ["history 1 2", "welcome", "chunk 3"],
    "buffered_merge": ["history 1 2", "welcome", "chunk 3"],
}


async def write(store: Store, ordering: str, seq: int, session_id: str = "s") -> None:
    """Save and publish, or append, a chunk: whatever the connect ordering reads."""
    if ordering == "redis_streams":
        await store.append(chunk(seq, session_id))
    else:
        await store.save_and_publish(chunk(seq, session_id))


@pytest.mark.parametrize("ordering", SEED_ORDER)
async def test_a_client_gets_history_then_welcome_then_what_comes(
    node: RunningNode, store: Store, ordering: str
) -> None:
    await write(store, ordering, 1)
    await write(store, ordering, 2)
    async with node.client(ordering) as user:
        assert await user.frames(2) == SEED_ORDER[ordering][:2]
        await write(store, ordering, 3)
        assert await user.frames(1) == SEED_ORDER[ordering][2:]
