"""The store goes away and comes back: what clients are told, and that they are live again."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_kit import RunningNode, chunk, eventually, start_node, subscribers, word, write
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import StoreError, StoreUnreachable
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


class OwnStore:
    """A store that a test may kill, freeze and start again, on one port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        [self._port] = free_ports(1)
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.process: subprocess.Popen[bytes]

    async def start(self) -> Store:
        """Start it; a connection once it answers."""
        command = [valkey_server(), "--port", str(self._port), "--save", ""]
        self.process = subprocess.Popen(  # noqa: ASYNC220 - it outlives this loop's watchers
            [*command, "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    return await Store.open(self.url, "test")
                except StoreError:
                    await asyncio.sleep(0.01)  # poll, bounded by the time-out

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[OwnStore]:
    store = OwnStore(tmp_path)
    yield store
    store.process.send_signal(signal.SIGCONT)
    store.kill()


async def events(node: RunningNode) -> list[str]:
    await node.end()
    return [row["kind"] for row in node.table("events")]


@pytest.mark.parametrize("ordering", CONNECT_ORDERINGS)
async def test_a_store_that_restarts_is_reported_and_clients_are_live_again(
    own_store: OwnStore, tmp_path: Path, ordering: str
) -> None:
    store = await own_store.start()
    node = await start_node(own_store.url, tmp_path / "raw")
    writes = "stream_append" if ordering == "redis_streams" else "atomic_lua"
    came = [["chunk 1"]]
    if ordering == "positioned_merge":  # it reads again, and may find the chunk before it comes
        came.append(["history 1"])
    async with node.client(ordering) as user:
        assert await user.frames(2) == ["history", "welcome"]
        await write(store, writes, chunk(1))
        assert await user.frames(1) == ["chunk 1"]
        own_store.kill()
        assert await user.frames(1) == ["error store_lost"]
        assert (await node.get("/healthz"))[0] == 503
        with pytest.raises(InvalidStatus) as refused:
            await connect(node.url(ordering=ordering))
        assert refused.value.response.status_code == 503
        store = await own_store.start()
        assert await user.frames(2) == ["error gap_possible", "error store_replaced"]
        assert await node.get("/healthz") == (200, "ok\n")
        await write(store, writes, chunk(1))
        assert await user.frames(1) in came
        await store.close()
        assert await node.metric("chunk7_node_store_replacements_total") == 1
    assert await events(node) == ["store_lost", "store_back", "store_replaced", "drain"]
    replaced = node.table("events")[2]["detail"]
    assert re.fullmatch(r"[0-9a-f]{8} -> [0-9a-f]{8}", replaced)


async def test_a_join_under_way_fails_when_the_store_goes(
    own_store: OwnStore, tmp_path: Path
) -> None:
    await own_store.start()
    node = await start_node(own_store.url, tmp_path / "raw")
    async with node.client("history_then_subscribe", work_ms=10_000) as user:
        assert await user.frames(1) == ["history"]
        own_store.kill()
        assert await user.frames(1) == ["error join_failed"]
        assert await user.closed() == (1011, "join_failed")
    await node.end()
    [join] = node.table("joins")
    assert join["error"].startswith("the store: ")
    assert join["welcomed_ns"] is None


@pytest.mark.parametrize("connection", ["n1", "n1-subscriptions", "n1-reader"])
async def test_the_loss_of_any_connection_is_a_loss_of_the_store(
    own_store: OwnStore, tmp_path: Path, connection: str
) -> None:
    store = await own_store.start()
    node = await start_node(own_store.url, tmp_path / "raw")
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        clients = (await store.link.send("CLIENT", "LIST")).decode().splitlines()
        [line] = [line for line in clients if f" name={connection} " in line]
        await store.link.send("CLIENT", "KILL", "ID", line.split()[0].removeprefix("id="))
        assert await user.frames(2) == ["error store_lost", "error gap_possible"]
        assert await subscribers(store) == 1
        await store.publish(chunk(1))
        assert await user.frames(1) == ["chunk 1"]
    assert await events(node) == ["store_lost", "store_back", "drain"]


async def test_a_store_that_falls_silent_is_lost_too(
    own_store: OwnStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunk7.nodes.backend.REPLY_TIMEOUT_S", 0.3)
    monkeypatch.setattr("chunk7.nodes.backend.PING_EVERY_S", 0.05)
    store = await own_store.start()
    node = await start_node(own_store.url, tmp_path / "raw")
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        own_store.process.send_signal(signal.SIGSTOP)
        assert await user.frames(1) == ["error store_lost"]
        assert (await node.get("/healthz"))[0] == 503  # alive, and nobody is sent here
        assert await node.metric("chunk7_node_store_up") == 0
        own_store.process.send_signal(signal.SIGCONT)
        assert await user.frames(1) == ["error gap_possible"]
        assert (await node.get("/healthz"))[0] == 200
        await store.publish(chunk(1))
        assert await user.frames(1) == ["chunk 1"]
    await node.end()


async def test_clients_that_leave_meanwhile_are_not_resubscribed(
    own_store: OwnStore, tmp_path: Path
) -> None:
    await own_store.start()
    node = await start_node(own_store.url, tmp_path / "raw")
    async with node.client("buffered_merge", "stays") as stays:
        await stays.frames(2)
        async with node.client("buffered_merge", "goes") as goes:
            await goes.frames(2)
            own_store.kill()
            assert await goes.frames(1) == ["error store_lost"]
        assert await node.metric("chunk7_node_store_up") == 0
        store = await own_store.start()
        assert [word(await stays.frame()) for _ in range(3)] == [
            "error store_lost",
            "error gap_possible",
            "error store_replaced",
        ]
        assert await subscribers(store, "stays") == 1
        await eventually(lambda: _nobody(store, "goes"))
    await node.end()


async def _nobody(store: Store, session_id: str) -> bool:
    return await subscribers(store, session_id) == 0


async def test_a_node_without_a_store_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match=r"no store at 127\.0\.0\.1:1"):
        await start_node("redis://127.0.0.1:1", tmp_path / "raw")
