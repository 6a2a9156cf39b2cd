"""The edge: HTTP answers, client frames, and how connections end."""

import asyncio
import contextlib
import re

import pytest
from node_kit import DEADLINE_S, RunningNode, StartNode, User, chunk, eventually, write
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from chunk7.delivery.chunk import history_key
from chunk7.wire.frames import FetchFrame, ResumeFrame, encode
from chunk7.wire.store.store import Store

pytestmark = pytest.mark.clocked


async def ask(user: User, frame: FetchFrame | ResumeFrame) -> str:
    await user.connection.send(encode(frame), text=True)
    return (await user.frames(1))[0]


# --- HTTP ---


async def test_a_node_that_takes_clients_is_healthy(node: RunningNode) -> None:
    assert await node.get("/healthz") == (200, "ok\n")


async def test_any_other_path_is_told_which_there_are(node: RunningNode) -> None:
    assert await node.get("/") == (404, "there are /healthz, /metrics, /demo and /ws/SESSION\n")


async def test_a_bad_connect_url_is_answered_with_the_field(node: RunningNode) -> None:
    status, text = await node.get("/ws/s?after_seq=-1")
    assert (status, text) == (400, "after_seq: '-1' is not 0 to 2147483647\n")
    with pytest.raises(InvalidStatus) as refused:
        await connect(node.url(ordering="none"))
    assert refused.value.response.status_code == 400


async def test_a_full_node_sends_clients_elsewhere(start: StartNode) -> None:
    node = await start("--max-clients", "1")
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        with pytest.raises(InvalidStatus) as refused:
            await connect(node.url())
        assert refused.value.response.status_code == 503
        assert await node.get("/healthz") == (503, "the node has its 1 clients\n")


@pytest.mark.parametrize("host", ["elsewhere", "localhost"])
async def test_frames_sent_before_the_answer_end_the_connection_without_a_word_in_the_log(
    node: RunningNode, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each such connection, of whoever may not even join, left a traceback in the node's log."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    unmasked = Frame(Opcode.PING, b"").serialize(mask=False)
    writer.write(
        f"GET /ws/s HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        + unmasked
    )
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_metrics_count_joins_by_ordering_and_never_name_a_connection(
    node: RunningNode, store: Store
) -> None:
    async with node.client("buffered_merge", connection_id=4711) as user:
        await user.frames(2)
        await store.publish(chunk(1))
        await user.frames(1)
        _, text = await node.get("/metrics")
    lines = text.splitlines()
    assert 'chunk7_node_joins_total{connect="buffered_merge",outcome="joined"} 1.0' in lines
    assert 'chunk7_node_join_seconds_count{connect="buffered_merge"} 1.0' in lines
    assert 'chunk7_node_info{node="n1"} 1.0' in lines
    for sample in ("clients", "channels", "store_up", "messages_total", "deliveries_total"):
        assert f"chunk7_node_{sample} 1.0" in lines
    labels = re.findall(r"\{.*\}", text)  # not in all of the text: it has time stamps
    assert labels
    assert not [label for label in labels if "4711" in label]


# --- what a client may ask ---


@pytest.mark.parametrize(
    ("ordering", "writes"), [("buffered_merge", "atomic_lua"), ("redis_streams", "stream_append")]
)
async def test_fetch_and_resume_are_answered_from_where_the_ordering_reads(
    node: RunningNode, store: Store, ordering: str, writes: str
) -> None:
    for seq in range(1, 6):
        await write(store, writes, chunk(seq))
    async with node.client(ordering, after_seq=5, connection_id=1) as user:
        assert await user.frames(2) == ["history", "welcome"]
        assert await ask(user, FetchFrame(2, 3)) == "history 2 3"
        assert await ask(user, FetchFrame(5, 9)) == "history 5"
        assert await ask(user, FetchFrame(8, 9)) == "history"
        assert await ask(user, ResumeFrame(3)) == "history 4 5"
    await node.end()
    [leave] = node.table("leaves")
    assert leave["fetch_count"] == 4


async def test_fetches_sent_in_one_go_are_answered_in_turn(node: RunningNode, store: Store) -> None:
    for seq in range(1, 51):
        await write(store, "atomic_lua", chunk(seq))
    async with node.client("buffered_merge", after_seq=50) as user:
        await user.frames(2)
        for seq in range(1, 51):
            await user.connection.send(encode(FetchFrame(seq, seq)), text=True)
        assert await user.frames(50) == [f"history {seq}" for seq in range(1, 51)]


async def test_a_fetch_that_cannot_be_answered_says_so_and_the_connection_goes_on(
    node: RunningNode, store: Store
) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        await store.link.send("RPUSH", history_key("s"), "no chunk")
        assert await ask(user, FetchFrame(1, 2)) == "error fetch_failed"
        await store.publish(chunk(1))
        assert await user.frames(1) == ["chunk 1"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not JSON",
        "{}",
        '{"type":"chunk"}',
        '{"type":"fetch","from_seq":1}',
        '{"type":"fetch","from_seq":"1","to_seq":2}',
        '{"type":"fetch","from_seq":0,"to_seq":2}',
        '{"type":"fetch","from_seq":3,"to_seq":2}',
        '{"type":"fetch","from_seq":1,"to_seq":10001}',
        '{"type":"fetch","from_seq":1,"to_seq":99999999999999999999}',
        '{"type":"resume","after_seq":-1}',
    ],
)
async def test_a_bad_frame_is_refused_and_the_connection_goes_on(
    node: RunningNode, message: str
) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        await user.connection.send(message)
        assert await user.frames(1) == ["error bad_frame"]
        assert await ask(user, ResumeFrame(0)) == "history"


async def test_the_tenth_bad_frame_ends_the_connection(node: RunningNode) -> None:
    async with node.client("buffered_merge", connection_id=1) as user:
        await user.frames(2)
        for _ in range(10):
            await user.connection.send("{}")
        assert await user.frames(10) == ["error bad_frame"] * 10
        assert await user.closed() == (1008, "too many bad frames")
    assert await node.metric("chunk7_node_bad_frames_total") == 10
    await node.end()
    [leave] = node.table("leaves")
    assert (leave["close_code"], leave["close_reason"]) == (1008, "too many bad frames")


async def test_a_binary_frame_ends_the_connection(node: RunningNode) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        await user.connection.send(b"\x00")
        assert await user.closed() == (1003, "text frames only")


async def test_an_oversized_frame_ends_the_connection(node: RunningNode) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        await user.connection.send("x" * 5_000)
        assert (await user.closed())[0] == 1009


async def test_a_client_that_vanishes_is_forgotten(node: RunningNode) -> None:
    async with node.client("buffered_merge", connection_id=1) as user:
        await user.frames(2)
        user.connection.transport.abort()
        await eventually(lambda: _all_gone(node))
    await node.end()
    [leave] = node.table("leaves")
    assert leave["close_code"] == 1006


async def _all_gone(node: RunningNode) -> bool:
    return await node.metric("chunk7_node_clients") == 0
