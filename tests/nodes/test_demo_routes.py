"""What a node answers under /demo, and that the page's sessions leave no trace in its records."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from node_kit import RunningNode, StartNode, chunk, write
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chunk7.wire.frames import WelcomeFrame
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked

CHOICES = {
    "writes": [{"name": "atomic_lua", "feed": "pubsub"}],
    "chunk_rate": [1.0, 200.0],
    "chunks": [10, 400],
    "save_lag_ms": [0.0, 500.0],
    "longest_s": 60.0,
}


@pytest.fixture
async def producer() -> AsyncIterator[str]:
    """The URL of somebody who answers as a producer does: an order that says `no` is refused."""

    async def post(request: web.Request) -> web.Response:
        order = await request.text()
        if order == "no":
            return web.Response(status=429, text="too many\n")
        return web.json_response({"asked": order})

    async def get(request: web.Request) -> web.Response:
        return web.json_response(CHOICES)

    application = web.Application()
    application.add_routes([web.post("/answer", post), web.get("/answer", get)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def request(node: RunningNode, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{node.port}") as http,
        http.request(method, path) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.read()


async def asked(node: RunningNode, order: str, origin: str | None = None) -> Any:
    """What came of an order."""
    url = f"ws://127.0.0.1:{node.port}/demo/answer"
    async with connect(url, compression=None, origin=origin) as connection:  # type: ignore[arg-type]
        await connection.send(order)
        return json.loads(await asyncio.wait_for(connection.recv(), 10))


@pytest.mark.parametrize(
    ("path", "content_type", "part"),
    [
        ("/demo", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/demo?x=1", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/demo/demo.css", "text/css; charset=utf-8", b"mark.hole"),
        ("/demo/demo.js", "text/javascript; charset=utf-8", b"askForAnswer"),
        ("/demo/chat-client.js", "text/javascript; charset=utf-8", b"export class ChatClient"),
        ("/demo/icon.svg", "image/svg+xml", b"<svg"),
    ],
)
async def test_a_file_comes_with_its_type_and_may_do_little(
    node: RunningNode, path: str, content_type: str, part: bytes
) -> None:
    status, headers, body = await request(node, "GET", path)
    assert status == 200
    assert part in body
    assert headers["Content-Type"] == content_type
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; connect-src 'self';")


async def test_head_has_the_headers_of_get_and_no_body(node: RunningNode) -> None:
    _, got, body = await request(node, "GET", "/demo")
    status, headers, nothing = await request(node, "HEAD", "/demo")
    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == got["Content-Length"] == str(len(body))
    assert headers["Content-Type"] == got["Content-Type"]


@pytest.mark.parametrize(
    "path", ["/demo/", "/demo/none.js", "/demo/desk.py", "/demo/../options.py", "/demo/%2e%2e/x"]
)
async def test_a_name_that_is_no_file_of_the_page_is_not_found(
    node: RunningNode, path: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())  # no client tidies the path
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\nthe page is /demo\n")


async def test_other_methods_are_told_which_there_are(node: RunningNode) -> None:
    status, headers, body = await request(node, "DELETE", "/demo")
    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"GET or HEAD\n")


async def test_the_setup_names_the_orderings_and_what_the_producer_offers(
    start: StartNode, producer: str
) -> None:
    node = await start("--producer", producer)
    status, headers, body = await request(node, "GET", "/demo/setup")
    setup = json.loads(body)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert setup["orderings"][0] == {
        "name": "history_then_subscribe",
        "feed": "pubsub",
        "client": "takes_all",
    }
    assert (setup["node"], setup["prefix"], setup["choices"]) == ("n1", "demo-", CHOICES)
    assert setup["no_answers_because"] is None


async def test_without_a_producer_the_page_is_told_why(start: StartNode, node: RunningNode) -> None:
    setup = json.loads((await request(node, "GET", "/demo/setup"))[2])
    assert setup["choices"] is None
    assert "without --producer" in setup["no_answers_because"]
    assert "without --producer" in (await asked(node, "{}"))["refused"]
    lonely = await start("--producer", "http://127.0.0.1:1", name="n2")
    setup = json.loads((await request(lonely, "GET", "/demo/setup"))[2])
    assert setup["no_answers_because"].startswith("the producer does not answer: ")


async def test_an_order_is_passed_on_and_so_is_what_comes_of_it(
    start: StartNode, producer: str
) -> None:
    node = await start("--producer", producer)
    assert await asked(node, '{"a": 1}') == {"promise": {"asked": '{"a": 1}'}}
    assert await asked(node, "no") == {"refused": "too many"}


async def test_only_the_page_of_this_host_may_order(start: StartNode, producer: str) -> None:
    node = await start("--producer", producer)
    assert "promise" in await asked(node, "{}", f"http://127.0.0.1:{node.port}")
    with pytest.raises(InvalidStatus) as refused:
        await asked(node, "{}", "http://elsewhere.example")
    assert refused.value.response.status_code == 403


async def test_the_page_s_connections_are_not_recorded_and_others_are(
    start: StartNode, store: Store
) -> None:
    node = await start("--max-outbox-kb", "64", "--drain-s", "1")
    for gone, session in enumerate(("demo-s", "s")):
        async with node.client("buffered_merge", session, connection_id=1) as user:
            await user.frames(2)
            user.connection.transport.pause_reading()
            while await node.metric("chunk7_node_slow_clients_total") == gone:
                await store.publish(chunk(1, session, "x" * 300_000))
            user.connection.transport.abort()
    await node.end()
    assert [row["session_id"] for row in node.table("joins")] == ["s"]
    assert len(node.table("leaves")) == 1
    slow = [row["session_id"] for row in node.table("events") if row["kind"] == "slow_client"]
    assert slow == ["s"]


@pytest.mark.parametrize(
    ("ordering", "writes", "sign"),
    [
        ("history_then_subscribe", "atomic_lua", 1),
        ("subscribe_then_history", "atomic_lua", -1),
        ("redis_streams", "stream_append", None),
    ],
)
async def test_the_welcome_tells_when_the_node_read_and_subscribed(
    node: RunningNode, store: Store, ordering: str, writes: str, sign: int | None
) -> None:
    await write(store, writes, chunk(1))
    async with node.client(ordering, work_ms=30) as user:
        frame: Any = None
        while not isinstance(frame, WelcomeFrame):
            frame = await user.frame()
    assert frame.read_ms is not None
    assert frame.read_ms > 0
    if sign is None:
        assert frame.subscribed_ms is None
    else:
        assert frame.subscribed_ms is not None
        assert sign * (frame.subscribed_ms - frame.read_ms) >= 30
