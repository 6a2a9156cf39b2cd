"""A node factory that ends its nodes, and a store connection."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from node_kit import RunningNode, StartNode, start_node

from chunk7.wire.store.store import Store


@pytest.fixture
async def start(store_url: str, tmp_path: Path) -> AsyncIterator[StartNode]:
    """start(*options) gives a running node on `store_url`."""
    running: list[RunningNode] = []

    async def start(*options: str, name: str = "n1") -> RunningNode:
        running.append(await start_node(store_url, tmp_path / "raw", *options, name=name))
        return running[-1]

    yield start
    for node in running:
        await node.end()


@pytest.fixture
async def node(start: StartNode) -> RunningNode:
    """A node with every option at its default."""
    return await start()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A connection of the test's own to the node's store."""
    store = await Store.open(store_url, "test")
    yield store
    await store.close()
