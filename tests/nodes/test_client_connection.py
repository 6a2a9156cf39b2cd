"""How long a connection may take: for its handshake, for its pongs, for its close frame."""

import asyncio

import pytest
from node_kit import DEADLINE_S, RunningNode
from websockets.frames import Frame, Opcode

from benchmarks.bad_inputs import handshake
from chunk7.nodes.transports import connection
from chunk7.nodes.transports.websocket import text_frame

pytestmark = pytest.mark.clocked


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_frame_is_the_one_that_websockets_builds(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


async def test_a_client_that_answers_pings_stays(node: RunningNode) -> None:
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        [served] = node.node._server.door.clients()
        for _ in range(3):
            served.check_alive()
            await (await user.connection.ping())  # answered behind our pong
        assert user.connection.close_code is None


async def test_a_client_that_answers_no_ping_is_given_up(node: RunningNode) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(handshake("s", "ordering=buffered_merge"))
        await reader.readuntil(b'"welcome"')
        [served] = node.node._server.door.clients()
        served.check_alive()
        served.check_alive()
        ended = await reader.read()
    assert ended.endswith(b"\x03\xf3keepalive ping timeout")  # 1011
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET /ws/s HTTP/1.1\r\n"])
async def test_a_handshake_that_does_not_come_to_its_end_is_cut(
    node: RunningNode, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(sent)
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


async def test_who_does_not_answer_a_close_frame_is_cut(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(handshake("s", "ordering=buffered_merge"))
        await reader.readuntil(b'"welcome"')
        [served] = node.node._server.door.clients()
        await served.close(1012, "drain")
    assert len(node.node._server.door) == 0
    writer.close()


async def test_a_request_that_fails_is_answered_and_logged(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(node.node._server, "refusal", lambda: 1 / 0)
    assert await node.get("/healthz") == (500, "see the node's log\n")
    assert "a request failed" in caplog.text
