"""A link keeps order, refuses what it cannot keep, and says when the store is gone."""

import asyncio
import socket

import pytest

from chunk7.delivery.errors import StoreError, StoreLost, StoreUnreachable, UsageError
from chunk7.wire.store import link as link_module
from chunk7.wire.store.link import Link

pytestmark = pytest.mark.clocked


async def test_a_refused_command_fails_alone(store_url: str) -> None:
    link = await Link.open(store_url)
    replies = [link.send("SET", "k", "v"), link.send("NONSENSE"), link.send("GET", "k")]
    outcomes = await asyncio.gather(*replies, return_exceptions=True)
    assert outcomes[0] == b"OK"
    assert isinstance(outcomes[1], StoreError)
    assert outcomes[2] == b"v"
    await link.close()


async def test_a_cancelled_caller_does_not_shift_the_others_replies(store_url: str) -> None:
    link = await Link.open(store_url)
    cancelled, kept = link.send("ECHO", "one"), link.send("ECHO", "two")
    cancelled.cancel()
    assert await kept == b"two"
    await link.close()


async def test_what_waits_when_the_store_goes_is_lost_not_hung(store_url: str) -> None:
    link = await Link.open(store_url)
    name = await link.send("CLIENT", "ID")
    waiting = link.send("BLPOP", "never", 0)
    killer = await Link.open(store_url)
    await killer.send("CLIENT", "KILL", "ID", name)
    with pytest.raises(StoreLost):
        await waiting
    assert link.lost.done()
    with pytest.raises(StoreLost):
        link.send("PING")
    await killer.close()


async def test_more_waiting_commands_than_the_bound_are_refused(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MAX_WAITING", 2)
    link = await Link.open(store_url)
    waiting = [link.send("PING"), link.send("PING")]
    with pytest.raises(StoreError, match="more than 2 commands wait"):
        link.send("PING")
    assert await asyncio.gather(*waiting) == [b"PONG", b"PONG"]
    await link.close()


async def test_several_commands_are_sent_all_or_none(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MULTI whose EXEC was refused used to swallow the commands of everybody after it."""
    monkeypatch.setattr(link_module, "MAX_WAITING", 3)
    link = await Link.open(store_url)
    waiting = link.send("PING")
    with pytest.raises(StoreError, match="more than 3 commands wait"):
        link.send_all(("MULTI",), ("SET", "k", "v"), ("EXEC",))
    assert await waiting == b"PONG"
    assert await link.send("GET", "k") is None
    replies = link.send_all(("MULTI",), ("SET", "k", "v"), ("EXEC",))
    assert await asyncio.gather(*replies) == [b"OK", b"QUEUED", [b"OK"]]
    await link.close()


async def test_what_was_sent_before_the_end_is_executed(store_url: str) -> None:
    link = await Link.open(store_url)
    link.send("SET", "k", "v")
    await link.close()
    other = await Link.open(store_url)
    assert await other.send("GET", "k") == b"v"
    await other.close()


async def test_a_database_is_selected(store_url: str) -> None:
    link = await Link.open(store_url.removesuffix("/0") + "/3", name="me")
    info = await link.send("CLIENT", "INFO")
    assert b"db=3" in info
    assert b"name=me" in info
    await link.close()


async def test_nobody_at_the_address_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(StoreUnreachable, match=f"no store at 127.0.0.1:{port}"):
        await Link.open(f"redis://127.0.0.1:{port}")


async def test_a_server_that_never_answers_is_unreachable() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(StoreUnreachable, match="TimeoutError"):
        await Link.open(f"redis://127.0.0.1:{port}", timeout_s=0.05)
    server.close()


async def test_a_server_that_takes_no_more_does_not_hold_up_the_end() -> None:
    ended = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n")  # to CLIENT SETNAME
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    link = await Link.open(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    waiting = link.send("SET", "k", b"v" * 100_000_000)
    await asyncio.wait_for(link.close(), 10)
    with pytest.raises(StoreLost):
        await waiting
    ended.set()
    server.close()


@pytest.mark.parametrize(
    "url", ["", "http://x", "redis://", "redis://h:port", "redis://h/zero", "localhost:6379"]
)
async def test_a_bad_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="--redis"):
        await Link.open(url)
