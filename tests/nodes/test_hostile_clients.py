"""What clients do that mean harm, byte for byte: each ends, the node and its others go on."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from node_kit import DEADLINE_S, RunningNode, StartNode, eventually, write
from node_kit import chunk as numbered
from websockets.frames import Frame, Opcode

from benchmarks.bad_inputs import handshake
from chunk7.nodes import listening
from chunk7.nodes.demo import handler
from chunk7.nodes.door import MAX_STRANGERS
from chunk7.nodes.transports import connection
from chunk7.nodes.transports.connection import MAX_UNREAD_BYTES
from chunk7.nodes.transports.frame_limit import BURST_FRAMES
from chunk7.nodes.transports.handshake import MAX_REQUEST_BYTES
from chunk7.nodes.transports.reading import READ_BYTES
from chunk7.wire.store.store import Store

pytestmark = [pytest.mark.clocked, pytest.mark.usefixtures("others_are_served")]

PING = Frame(Opcode.PING, b"").serialize(mask=True)
LONG_PING = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
PONG = Frame(Opcode.PONG, b"").serialize(mask=False)
BEGUN = Frame(Opcode.TEXT, b'{"type":"resume",', fin=False).serialize(mask=True)
NOTHING = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
ENDED = Frame(Opcode.CONT, b'"after_seq":0}').serialize(mask=True)
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hostile:
    """A connection of bytes. `read` is all that comes until the node ends it, however it does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def read(self) -> bytes:
        came = bytearray()
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionError):
                while some := await self.reader.read(65_536):
                    came += some
        return bytes(came)

    async def join(self, **headers: str) -> None:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        asked = handshake("s", "ordering=buffered_merge")
        self.writer.write(asked.removesuffix(b"\r\n") + more + b"\r\n")
        async with asyncio.timeout(DEADLINE_S):
            self.head = await self.reader.readuntil(b"\r\n\r\n")
            await self.reader.readuntil(b'"welcome"')


@contextlib.asynccontextmanager
async def hostile(node: RunningNode, receive_bytes: int | None = None) -> AsyncIterator[Hostile]:
    raw = socket.socket()
    if receive_bytes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", node.port))
    reader, writer = await asyncio.open_connection(sock=raw)
    try:
        yield Hostile(reader, writer)
    finally:
        writer.transport.abort()


@pytest.fixture
async def others_are_served(
    node: RunningNode, store: Store, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[None]:
    """Whoever was there before gets all, no connection of the hostile stays, nothing is logged."""
    async with node.client("buffered_merge") as user:
        await user.frames(2)
        yield
        await write(store, "atomic_lua", numbered(1))
        assert await user.until("chunk 1")
        await eventually(lambda: len(node.node._server.door) == 1)
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_flood_of_pings_is_cut_short_before_all_of_it_is_answered(
    node: RunningNode,
) -> None:
    """A quarter of a MB was parsed and answered, 43,000 pings, before one was one too many: all
    others waited for it, 0.1 s."""
    async with hostile(node) as client:
        await client.join()
        client.writer.write(PING * 40_000)
        answered = (await client.read()).count(PONG)
    assert answered < BURST_FRAMES + 2 * READ_BYTES / len(PING)


async def test_pings_of_who_never_reads_do_not_pile_up(
    start: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MiB each was let wait."""
    monkeypatch.setattr(listening, "SEND_BUFFER_BYTES", 1)  # what the system holds: the least
    node = await start("--name", "n2")
    async with hostile(node, receive_bytes=1) as client:
        await client.join()
        [served] = node.node._server.door.clients()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(LONG_PING * 400)
        await eventually(lambda: len(node.node._server.door) == 0)
        assert served.transport.get_write_buffer_size() < 2 * MAX_UNREAD_BYTES


@pytest.mark.parametrize("line_bytes", [1_000, 8_000])
async def test_a_request_that_is_too_large_is_refused_before_it_is_whole(
    node: RunningNode, line_bytes: int
) -> None:
    """120 lines of 8,000 bytes were kept of each: 100 such strangers took 107 MB, of 5,000."""
    line, lines = b"X-A: " + b"a" * line_bytes + b"\r\n", MAX_REQUEST_BYTES // line_bytes + 1
    async with hostile(node) as client:
        client.writer.write(b"GET /ws/s HTTP/1.1\r\n" + line * lines)
        answer = await client.read()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"a request has at most 16384 bytes\n")


async def test_a_line_without_an_end_is_no_request(node: RunningNode) -> None:
    async with hostile(node) as client:
        client.writer.write(b"GET /ws/" + b"a" * 10_000)
        assert (await client.read()).startswith(b"HTTP/1.1 414 ")


async def test_slow_handshakes_are_cut_and_keep_nobody_out(
    start: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there is room for; each sends a byte whenever it is looked at."""
    monkeypatch.setattr(connection, "HANDSHAKE_TIMEOUT_S", 0.5)
    node = await start("--name", "n2", "--max-clients", "4")
    async with contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(hostile(node)) for _ in range(MAX_STRANGERS + 10)]
        async with node.client("buffered_merge") as user:
            assert await user.frames(2) == ["history", "welcome"]
            for byte in b"GET /ws/s HTTP/1.1":
                for client in slow:
                    client.writer.write(bytes([byte]))
                await (await user.connection.ping())
            for client in slow:
                assert await client.read() == b""


async def test_a_message_in_hundreds_of_empty_fragments_is_one(node: RunningNode) -> None:
    async with hostile(node) as client:
        await client.join()
        client.writer.write(BEGUN + (NOTHING + PING) * 200 + ENDED)
        async with asyncio.timeout(DEADLINE_S):
            await client.reader.readuntil(b'"history"')


async def test_compression_is_not_agreed_on_and_a_bomb_is_no_frame(node: RunningNode) -> None:
    bomb = bytearray(Frame(Opcode.TEXT, b"\x00" * 100).serialize(mask=True))
    bomb[0] |= 0x40  # the bit that says "compressed"
    async with hostile(node) as client:
        await client.join(**{"Sec-WebSocket-Extensions": "permessage-deflate"})
        assert b"permessage-deflate" not in client.head
        client.writer.write(bomb)
        ended = await client.read()
    assert b"\x03\xea" in ended  # 1002


@pytest.mark.parametrize("claimed", [4_097, 1 << 31, (1 << 63) - 1])
async def test_a_frame_is_refused_by_the_length_that_it_claims(
    node: RunningNode, claimed: int
) -> None:
    """Before its first byte."""
    async with hostile(node) as client:
        await client.join()
        client.writer.write(b"\x81\xff" + claimed.to_bytes(8) + b"mask")
        ended = await client.read()
    assert b"\x03\xf1" in ended  # 1009


async def test_who_is_gone_in_the_midst_of_a_frame_is_gone(node: RunningNode) -> None:
    async with hostile(node) as client:
        await client.join()
        client.writer.write(LONG_PING[:40])
        client.writer.write_eof()
        await client.read()


async def test_a_close_without_a_code_is_answered_and_its_sender_does_not_stay(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.05)
    async with hostile(node) as client:
        await client.join()
        client.writer.write(Frame(Opcode.CLOSE, b"").serialize(mask=True))
        assert (await client.read()).endswith(b"\x88\x00")


async def test_requests_in_a_row_get_one_answer_at_most(node: RunningNode) -> None:
    async with hostile(node) as client:
        client.writer.write(GET * 50)
        answers = await client.read()
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert await node.get("/healthz") == (200, "ok\n")


async def test_nothing_is_asked_for_who_is_gone(
    node: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for the page's setup and left had the producer asked all the same, up to 5 s
    each in one of few threads: a flood of such made all that comes after wait."""
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def ask(_: str | None) -> bytes:
        asked.set()
        try:
            return await asyncio.Event().wait() and b""
        finally:
            given_up.set()

    monkeypatch.setattr(handler, "ask", ask)
    async with hostile(node) as client:
        client.writer.write(b"GET /demo/setup HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(DEADLINE_S):
            await asked.wait()
            client.writer.transport.abort()
            await given_up.wait()
