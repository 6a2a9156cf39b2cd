"""A real nginx in front of tiny servers."""

import contextlib
import functools
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from chunk7.cluster.deployments.parts import Part
from chunk7.cluster.deployments.probes import accepts, answers_http, free_ports
from chunk7.cluster.deployments.proxy import nginx_command, render
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import UsageError

pytestmark = pytest.mark.live
HOST = "127.0.0.1"


@contextlib.asynccontextmanager
async def servers(*names: str) -> AsyncIterator[list[tuple[str, int]]]:
    """WebSocket servers that say their name and echo; their addresses."""
    async with contextlib.AsyncExitStack() as stack:
        addresses = []
        for name in names:

            async def speak(connection: ServerConnection, name: str = name) -> None:
                await connection.send(name)
                async for message in connection:
                    await connection.send(message)

            server = await stack.enter_async_context(serve(speak, HOST, 0))
            addresses.append((HOST, next(iter(server.sockets)).getsockname()[1]))
        yield addresses


@contextlib.asynccontextmanager
async def proxy(folder: Path, nodes: list[tuple[str, int]]) -> AsyncIterator[str]:
    """nginx in front of the nodes; its WebSocket URL."""
    [port] = free_ports(1)
    command = nginx_command(folder / "nginx", (HOST, port), nodes, 100)

    listens = functools.partial(accepts, HOST, port)
    async with Cluster(folder) as cluster:
        await cluster.start(Part("nginx", command, folder / "nginx.log", ready=listens))
        yield f"ws://{HOST}:{port}/"


async def names_met(url: str, times: int) -> list[str]:
    """Which server each of some connections in turn was given to."""
    met = []
    for _ in range(times):
        async with connect(url, compression=None) as connection:
            met.append(str(await connection.recv()))
            await connection.send("hello")
            assert await connection.recv() == "hello"
    return met


async def test_connections_go_round_the_nodes_strictly(tmp_path: Path) -> None:
    async with servers("a", "b", "c") as nodes, proxy(tmp_path, nodes) as url:
        met = await names_met(url, 12)
    assert Counter(met) == {"a": 4, "b": 4, "c": 4}
    assert met == met[:3] * 4


async def test_a_dead_node_is_passed_over_and_no_client_notices(tmp_path: Path) -> None:
    dead = (HOST, free_ports(1)[0])
    async with servers("a", "b") as nodes, proxy(tmp_path, [nodes[0], dead, nodes[1]]) as url:
        met = await names_met(url, 12)
    assert set(met) == {"a", "b"}


async def test_readiness_is_asked_of_a_node_through_the_proxy(tmp_path: Path) -> None:
    async with servers("a") as nodes, proxy(tmp_path, nodes) as url:
        port = int(url.rpartition(":")[2].strip("/"))
        assert not await answers_http(HOST, port)()  # the tiny server has no /healthz
        assert not await answers_http(HOST, free_ports(1)[0])()


async def test_nginx_writes_into_its_folder_only(tmp_path: Path) -> None:
    async with servers("a") as nodes, proxy(tmp_path / "a; b", nodes) as url:
        await names_met(url, 1)
        assert set(os.listdir(tmp_path / "a; b" / "nginx")) == {
            "client_body",
            "fastcgi",
            "nginx.conf",
            "nginx.pid",
            "proxy",
            "scgi",
            "uwsgi",
        }


def test_every_name_of_the_template_is_filled_in(tmp_path: Path) -> None:
    text = render(tmp_path, (HOST, 80), [(HOST, 1), (HOST, 2)], 10)
    assert "${" not in text
    assert "server 127.0.0.1:1 max_fails=0;" in text
    assert f'proxy_temp_path "{tmp_path}/proxy";' in text


def test_a_folder_that_nginx_cannot_be_told_is_refused() -> None:
    with pytest.raises(UsageError, match="nginx takes no path"):
        render(Path('/a"b'), (HOST, 80), [], 10)
