"""A link lives on a transport that redis-py has opened: what it relies on, one fact a test.

If one of these fails after an upgrade of redis-py, `Link._take_over` is what has to be mended.
"""

import asyncio
import gc
import warnings
from typing import Any

import pytest
from redis.asyncio.connection import Connection

from chunk7.delivery.errors import StoreError, StoreLost, StoreUnreachable
from chunk7.wire.store.address import parse_address
from chunk7.wire.store.link import Link

pytestmark = pytest.mark.clocked


async def answering(*pieces: bytes) -> tuple[asyncio.Server, str]:
    """A server that greets, adds the first piece to that, and answers PINGs by the next."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"SETNAME\r\n")
        writer.write(b"+OK\r\n" + pieces[0])
        for piece in pieces[1:]:
            await reader.readuntil(b"PING\r\n")
            writer.write(piece)
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_redis_py_keeps_its_transport_where_a_link_takes_it(store_url: str) -> None:
    connection: Any = await parse_address(store_url).connect("test")
    assert isinstance(connection._reader, asyncio.StreamReader)
    assert isinstance(connection._writer, asyncio.StreamWriter)
    link = Link()
    link._take_over(connection)
    assert not connection.is_connected
    assert connection._reader is connection._writer is None
    assert await link.send("PING") == b"PONG"
    await link.close()


async def test_what_redis_py_forgets_does_not_close_the_link(store_url: str) -> None:
    """Both its connection and asyncio's stream close what they hold when they are collected."""
    link = await Link.open(store_url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert await link.send("PING") == b"PONG"
    await link.close()


async def test_a_connection_without_streams_is_an_error_that_names_redis_py() -> None:
    link = Link()
    with pytest.raises(StoreError, match=r"^redis \d+\.\d+\.\d+: its connection has no stream"):
        link._take_over(Connection())


async def test_bytes_that_nobody_asked_for_are_not_lost_in_silence() -> None:
    server, url = await answering(b"+MORE\r\n")
    async with server:
        with pytest.raises(StoreUnreachable, match="sent what nobody had asked for"):
            await Link.open(url)


async def test_a_server_that_hangs_up_after_the_greeting_is_unreachable_or_lost() -> None:
    server, url = await answering(b"")
    async with server:
        try:
            link = await Link.open(url)
        except StoreUnreachable as error:
            assert "hung up" in str(error)  # noqa: PT017
        else:
            with pytest.raises(StoreLost):
                await link.send("PING")
            await asyncio.wait_for(link.lost, 5)


async def test_a_reply_that_comes_in_pieces_is_one_reply() -> None:
    server, url = await answering(b"", b"$5\r\nhe", b"llo\r\n")
    async with server:
        link = await Link.open(url)
        reply = link.send("PING")
        link.push("PING")
        assert await asyncio.wait_for(reply, 5) == b"hello"
        await link.close()
