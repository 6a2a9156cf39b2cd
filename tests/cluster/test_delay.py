"""The delaying proxy, between real sockets."""

import asyncio
import contextlib
import hashlib
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from request_kit import status_of

from chunk7.cluster.deployments.delay_proxy import MAX_UNDER_WAY_BYTES, Delay, serve
from chunk7.cluster.deployments.probes import accepts, free_ports

pytestmark = pytest.mark.clocked

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LATENCY_MS = 20.0
CROSS_SITE_LATENCY = """
PUT /latency HTTP/1.1
Host: 127.0.0.1:PORT
Origin: http://evil.example
Content-Type: text/plain

{"latency_ms": 9000}""".lstrip()
REBOUND_LATENCY = """
PUT /latency HTTP/1.1
Host: evil.example:PORT
Origin: http://evil.example:PORT
Content-Type: application/json

{"latency_ms": 0}""".lstrip()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, and end when it ends."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    writer.close()


@contextlib.asynccontextmanager
async def delayed(handler: Handler, latency_ms: float) -> AsyncIterator[tuple[int, int]]:
    """A server, and a delay in front of it; their ports."""
    behind = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]
    front = await Delay(("127.0.0.1", port), latency_ms).listen("127.0.0.1", 0)
    try:
        yield port, front.sockets[0].getsockname()[1]
    finally:
        front.close()
        behind.close()


async def round_trip_ms(port: int, times: int = 15) -> float:
    """Shortest round trip of one byte: others may delay any of them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    trips = []
    for _ in range(times):
        sent = time.monotonic()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        trips.append(time.monotonic() - sent)
    writer.close()
    return min(trips) * 1_000


async def test_a_round_trip_grows_by_twice_the_latency() -> None:
    async with delayed(echo, LATENCY_MS) as (direct, through):
        direct_ms, through_ms = await round_trip_ms(direct), await round_trip_ms(through)
    assert through_ms >= 2 * LATENCY_MS
    # Far more than a timer's error, far less than a second trip.
    assert through_ms - direct_ms < 4 * LATENCY_MS


async def test_megabytes_arrive_whole_in_order_and_not_a_latency_each() -> None:
    payload = random.Random(7).randbytes(8 * 2**20)

    async def took_s(port: int) -> float:
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(payload)
        writer.write_eof()
        received = await reader.read(-1)
        writer.close()
        assert hashlib.sha256(received).digest() == hashlib.sha256(payload).digest()
        return time.monotonic() - started

    async with delayed(echo, 100) as (direct, through):
        grown_s = await took_s(through) - await took_s(direct)
    one_at_a_time_s = len(payload) / 262_144 * 0.2  # a quarter of a megabyte a round trip
    assert grown_s < one_at_a_time_s / 3


async def test_commands_may_be_under_way_together() -> None:
    async with delayed(echo, LATENCY_MS) as (_, through):
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        started = time.monotonic()
        for _ in range(50):
            writer.write(b"0123456789")
            await asyncio.sleep(0)
        assert await reader.readexactly(500) == b"0123456789" * 50
        took_ms = (time.monotonic() - started) * 1_000
        writer.close()
    assert took_ms < 10 * 2 * LATENCY_MS  # 50 round trips in the time of less than 10


async def test_an_end_is_passed_on_and_the_other_direction_goes_on() -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        everything = await reader.read(-1)
        writer.write(b"%d bytes" % len(everything))
        writer.close()

    async with delayed(count, 5) as (_, through):
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        writer.write(b"x" * 1_000)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(-1), 10) == b"1000 bytes"
        writer.close()


async def test_a_reset_is_passed_on_as_a_reset() -> None:
    ended: asyncio.Future[BaseException | bytes] = asyncio.get_running_loop().create_future()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(3)
            writer.write(b"ok")
            ended.set_result(await reader.read())
        except OSError as error:
            ended.set_result(error)

    async with delayed(watch, 5) as (_, through):
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        writer.write(b"abc")
        assert await reader.readexactly(2) == b"ok"
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert isinstance(await asyncio.wait_for(ended, 10), ConnectionResetError)


async def test_where_nobody_listens_the_client_is_refused_too() -> None:
    with socket.socket() as taken:  # bound, not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        front = await Delay(taken.getsockname(), 5).listen("127.0.0.1", 0)
        port = front.sockets[0].getsockname()[1]
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.readexactly(1), 10)
        front.close()


async def test_a_sender_is_held_up_when_too_much_is_under_way() -> None:
    sent = 0
    async with delayed(echo, 10_000) as (_, through):
        loop = asyncio.get_running_loop()
        raw = socket.create_connection(("127.0.0.1", through))
        raw.setblocking(False)
        block = bytes(2**20)
        with contextlib.suppress(TimeoutError):
            while sent < 4 * MAX_UNDER_WAY_BYTES:
                await asyncio.wait_for(loop.sock_sendall(raw, block), 1)
                sent += len(block)
        raw.close()
    # The rest is in the kernel's socket buffers.
    assert MAX_UNDER_WAY_BYTES <= sent < 3 * MAX_UNDER_WAY_BYTES


async def test_the_latency_can_be_changed_while_it_runs_and_bytes_keep_their_order() -> None:
    port, control = free_ports(2)
    stop = asyncio.Event()
    behind = await asyncio.start_server(echo, "127.0.0.1", 0)
    to = "127.0.0.1", behind.sockets[0].getsockname()[1]
    delaying = asyncio.create_task(
        serve(("127.0.0.1", port), to, 400, stop, ("127.0.0.1", control))
    )
    url = f"http://127.0.0.1:{control}/latency"
    async with asyncio.timeout(20), behind, aiohttp.ClientSession() as session:
        while not await accepts("127.0.0.1", control):  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(0.01)  # poll, bounded by the time-out
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"slow ")
        await writer.drain()
        async with session.put(url, json={"latency_ms": 0}) as answer:
            assert answer.status == 204
        writer.write(b"fast")
        assert await reader.readexactly(9) == b"slow fast"
        assert await round_trip_ms(port) < 400
        for bad in ({"latency_ms": -1}, {"latency_ms": "nan"}, {}, [1]):
            async with session.put(url, json=bad) as answer:
                assert answer.status == 400
        for foreign in (CROSS_SITE_LATENCY, REBOUND_LATENCY):
            assert await status_of(control, foreign) == 403
        ours = REBOUND_LATENCY.replace("evil.example", "localhost")
        assert await status_of(control, ours) == 204
        writer.close()
        stop.set()
        await delaying
