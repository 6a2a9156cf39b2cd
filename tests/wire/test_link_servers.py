"""A link gets in wherever redis-py does: by password, user, Unix socket, TLS, Sentinel."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import HOST, Server, behind_tls, certificate, eventually, server

from chunk7.cluster.deployments.probes import free_ports
from chunk7.delivery.errors import StoreError, StoreUnreachable
from chunk7.wire.store.link import Link

pytestmark = pytest.mark.clocked

PASSWORD = "p@ss/w?rd"
QUOTED = "p%40ss%2Fw%3Frd"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A store with a password, a user `reader` who may only read, and a socket."""
    folder = tmp_path_factory.mktemp("guarded")
    path = folder / "store.sock"
    reader = f"on >{PASSWORD} ~* &* -@all +@read +@connection +acl|whoami".split()
    options = ("--requirepass", PASSWORD, "--unixsocket", path, "--user", "reader", *reader)
    with server(folder, *options) as process:
        yield process, path


async def said(url: str, *command: str) -> object:
    """What the store answers to one command of a link to `url`."""
    link = await Link.open(url, "test")
    try:
        return await link.send(*command)
    finally:
        await link.close()


async def test_a_password_opens_the_store_and_a_wrong_one_does_not(
    guarded: tuple[Server, Path],
) -> None:
    store, _ = guarded
    place = f"{HOST}:{store.port}"
    assert await said(f"redis://:{QUOTED}@{place}", "PING") == b"PONG"
    assert await said(f"redis://{place}?password={QUOTED}", "PING") == b"PONG"
    with pytest.raises(
        StoreUnreachable, match=f"refused by the store at {place}: .*password"
    ) as refused:
        await said(f"redis://:wr0ng@{place}", "PING")
    assert "wr0ng" not in str(refused.value)
    with pytest.raises(StoreUnreachable, match=f"refused by the store at {place}: .*[Aa]uth"):
        await said(f"redis://{place}", "PING")


async def test_a_user_may_do_what_its_rules_allow(guarded: tuple[Server, Path]) -> None:
    url = f"redis://reader:{QUOTED}@{HOST}:{guarded[0].port}"
    assert await said(url, "ACL", "WHOAMI") == b"reader"
    assert await said(url, "GET", "k") is None
    with pytest.raises(StoreError, match="no permissions"):
        await said(url, "SET", "k", "v")


@pytest.mark.parametrize("url", ["unix://:{0}@{1}?db=3", "unix://{1}?db=3&password={0}"])
async def test_a_socket_of_the_file_system(guarded: tuple[Server, Path], url: str) -> None:
    info = await said(url.format(QUOTED, guarded[1]), "CLIENT", "INFO")
    assert isinstance(info, bytes)
    assert b"db=3" in info
    assert b"name=test" in info
    assert str(guarded[1]).encode() in info


async def test_tls_is_checked_against_the_authority_that_the_url_names(
    guarded: tuple[Server, Path], tmp_path: Path
) -> None:
    files = certificate(tmp_path)
    async with behind_tls(guarded[0].port, files) as port:
        url = f"rediss://:{QUOTED}@{HOST}:{port}/2"
        info = await said(f"{url}?ssl_ca_certs={files[0]}", "CLIENT", "INFO")
        assert b" db=2 " in bytes(info)  # type: ignore[call-overload]
        assert await said(f"{url}?ssl_cert_reqs=none", "PING") == b"PONG"
        with pytest.raises(
            StoreUnreachable, match=r"no TLS with the store at .*certificate verify failed"
        ):
            await said(url, "PING")


async def test_a_link_over_tls_keeps_what_a_link_promises(
    guarded: tuple[Server, Path], tmp_path: Path
) -> None:
    """Order, replies that come in pieces, and the end of the connection."""
    files = certificate(tmp_path)
    async with behind_tls(guarded[0].port, files) as port:
        link = await Link.open(f"rediss://:{QUOTED}@{HOST}:{port}?ssl_ca_certs={files[0]}")
        big = b"x" * 1_000_000
        replies = [link.send("SET", "k", big), *(link.send("ECHO", n) for n in range(500))]
        assert (await asyncio.gather(*replies))[1:] == [str(n).encode() for n in range(500)]
        assert await link.send("GET", "k") == big
        guarded[0].ask("CLIENT", "KILL", "TYPE", "normal", password=PASSWORD)
        await asyncio.wait_for(link.lost, 10)
        await link.close()


@pytest.mark.live
async def test_sentinel_names_the_primary_also_after_it_has_died(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(server(tmp_path / "primary", "--requirepass", "pw"))
        replica = stack.enter_context(
            server(
                tmp_path / "replica",
                *("--requirepass", "pw", "--masterauth", "pw", "--replicaof", HOST, primary.port),
            )
        )
        [port, dead] = free_ports(2)
        sentinel = stack.enter_context(_sentinel(tmp_path / "sentinel", port, primary.port))
        asked = f"{HOST}:{dead},{HOST}:{port}"
        url = f"redis+sentinel://:pw@{asked}/chat/1?sentinel_password=spw"
        link = await Link.open(url, "test")
        assert await link.send("SET", "k", "v") == b"OK"
        assert b"db=1" in await link.send("CLIENT", "INFO")
        assert await link.send("WAIT", 1, 10_000) == 1
        await eventually(lambda: _knows_replica(sentinel))

        primary.kill()
        await asyncio.wait_for(link.lost, 10)
        await link.close()
        with pytest.raises(StoreUnreachable, match=f"no store at chat of {asked}: "):
            await Link.open(url)
        link = await _reopened(url)  # which is how node and producer go about it
        assert await link.send("GET", "k") == b"v"
        assert replica.ask("ROLE", password="pw")[0] == b"master"
        await link.close()


async def test_a_sentinel_that_names_a_replica_is_not_believed(tmp_path: Path) -> None:
    """One that has not noticed a failover yet would have us write into what follows another."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(server(tmp_path / "primary"))
        follows = ("--replicaof", HOST, primary.port)
        replica = stack.enter_context(server(tmp_path / "replica", *follows))
        [port] = free_ports(1)
        stack.enter_context(_sentinel(tmp_path / "sentinel", port, replica.port))
        with pytest.raises(StoreUnreachable, match="Sentinel named a slave as the primary"):
            await Link.open(f"redis+sentinel://{HOST}:{port}/chat?sentinel_password=spw")


def _sentinel(folder: Path, port: int, primary: int) -> contextlib.AbstractContextManager[Server]:
    """A sentinel with a password, alone, which takes half a second's silence for death."""
    folder.mkdir()
    file = folder / "sentinel.conf"
    file.write_text(
        f"requirepass spw\n"
        f"sentinel monitor chat {HOST} {primary} 1\n"
        "sentinel auth-pass chat pw\n"
        "sentinel down-after-milliseconds chat 500\n"
        "sentinel failover-timeout chat 5000\n"
    )
    return server(folder, file, "--sentinel", port=port)


async def _knows_replica(sentinel: Server) -> bool:
    return len(sentinel.ask("SENTINEL", "REPLICAS", "chat", password="spw")) == 1


async def _reopened(url: str) -> Link:
    """As soon as there is a primary again."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await Link.open(url)
            except StoreError:
                await asyncio.sleep(0.05)  # poll, bounded by the deadline
