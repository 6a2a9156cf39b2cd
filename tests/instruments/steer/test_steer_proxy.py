"""What an interceptor can do to a real store's traffic, and what it is told of it."""

import asyncio
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from proxy_kit import DEADLINE_S, Looking, resp
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ClientLost
from redis.exceptions import RedisError
from store_kit import Server, behind_tls, certificate, eventually, server

from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.gate import MAX_KEPT
from chunk7.instruments.steer.proxy import Passage, Proxy, Push, Reply

pytestmark = pytest.mark.live


class Steering(Looking):
    """Holds the commands, withholds the replies and holds the messages that it is told to."""

    def __init__(self, *holds: str, withholds: str = "", pushes: bool = False) -> None:
        super().__init__()
        self._holds, self._withholds, self._pushes = holds, withholds, pushes
        self._came = asyncio.Event()

    def command(self, passage: Passage) -> bool:
        super().command(passage)
        passage.hold_reply = passage.name == self._withholds
        self._came.set()
        return passage.name in self._holds

    def push(self, push: Push) -> bool:
        super().push(push)
        self._came.set()
        return self._pushes

    async def see(self, name: str) -> Passage:
        """The first command of this name, when it has come."""
        await self._until(lambda: any(p.name == name for p in self.passages))
        return next(p for p in self.passages if p.name == name)

    async def message(self) -> Push:
        await self._until(lambda: bool(self.pushes))
        return self.pushes[0]

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._came.clear()
                await self._came.wait()


class Raw:
    """A client that sends and receives bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes, reply: bytes) -> None:
        """Send, and receive exactly this."""
        self.writer.write(data)
        await self.get(reply)

    async def get(self, reply: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            assert await self.reader.readexactly(len(reply)) == reply


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
async def direct(store: Server) -> AsyncIterator[Redis]:
    """A client of the store itself, which is empty."""
    async with Redis(host="127.0.0.1", port=store.port) as client:
        await client.flushall()
        yield client


def before(store: Server, interceptor: Looking | None) -> Proxy:
    return Proxy(f"redis://127.0.0.1:{store.port}/0", interceptor)


async def raw(proxy: Proxy, tls: ssl.SSLContext | None = None) -> Raw:
    host, port = proxy.url.rpartition("@")[2].split("//")[-1].split("/")[0].split(":")
    return Raw(*await asyncio.open_connection(host, int(port), ssl=tls))


async def answer(passage: Passage) -> Reply:
    return await asyncio.wait_for(asyncio.shield(passage.answered), DEADLINE_S)


async def over(interceptor: Looking) -> bool:
    return bool(interceptor.ended)


async def blocked(direct: Redis, address: str) -> bool:
    """Whether the connection waits in a blocking command, as CLIENT LIST flags it."""
    listed = {entry["addr"]: entry["flags"] for entry in await direct.client_list()}
    return "b" in listed.get(address, "")


async def both_saved(direct: Redis) -> bool:
    return bool(await direct.llen("k") == 2)


async def test_a_held_command_and_all_behind_it_wait_and_others_do_not(
    store: Server, direct: Redis
) -> None:
    steering = Steering("SET")
    async with before(store, steering) as proxy:
        held, other = await raw(proxy), await raw(proxy)
        held.writer.write(resp("SET", "k", 1) + resp("APPEND", "k", 2))
        command = await steering.see("SET")
        await other.ask(resp("PING"), b"+PONG\r\n")
        assert (await direct.exists("k"), command.forwarded.done()) == (0, False)
        command.forward()
        await held.get(b"+OK\r\n:2\r\n")
        assert command.forwarded.done()
        assert await answer(command) == Reply("ok", b"OK")


async def test_a_command_that_is_let_go_before_it_is_held_is_not_held(store: Server) -> None:
    """It would have waited for a word that had been said."""

    class Hasty(Looking):
        def command(self, passage: Passage) -> bool:
            passage.forward()
            return True

    async with before(store, Hasty()) as proxy:
        await (await raw(proxy)).ask(resp("PING"), b"+PONG\r\n")


async def test_a_withheld_reply_is_of_a_command_that_was_executed(
    store: Server, direct: Redis
) -> None:
    steering = Steering(withholds="SET")
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("SET", "k", 1) + resp("GET", "k"))
        command = await steering.see("SET")
        assert await answer(command) == Reply("ok", b"OK")
        assert await direct.get("k") == b"1"
        command.pass_reply()
        await client.get(b"+OK\r\n$1\r\n1\r\n")


@pytest.mark.parametrize("size", [1, 3 * MAX_KEPT])
@pytest.mark.parametrize("replaced", [False, True])
async def test_a_reply_of_any_length_can_be_withheld_and_replaced(
    store: Server, direct: Redis, size: int, replaced: bool
) -> None:
    """A reply that was too long to be kept passed, although it was to be withheld."""
    await direct.set("k", b"x" * size)
    steering = Steering(withholds="GET")
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("GET", "k") + resp("PING"))
        command = await steering.see("GET")
        await answer(command)
        first = asyncio.create_task(client.reader.readexactly(1))
        await (await raw(proxy)).ask(resp("PING"), b"+PONG\r\n")
        assert not first.done()
        if replaced:
            command.replace_reply(b"$5\r\nstale\r\n")
        command.pass_reply()
        real = b"$%d\r\n%s\r\n" % (size, b"x" * size)
        assert await asyncio.wait_for(first, DEADLINE_S) == b"$"
        await client.get((b"5\r\nstale\r\n" if replaced else real[1:]) + b"+PONG\r\n")


async def test_a_reply_can_be_replaced_before_it_comes(store: Server, direct: Redis) -> None:
    steering = Steering("LRANGE")
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("LRANGE", "k", 0, -1) + resp("PING"))
        command = await steering.see("LRANGE")
        command.replace_reply(b"*1\r\n$5\r\nstale\r\n")
        command.forward()
        await client.get(b"*1\r\n$5\r\nstale\r\n+PONG\r\n")


async def test_a_cut_ends_both_sides_and_whoever_waits_for_the_answer(store: Server) -> None:
    steering = Steering("SET")
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("BLPOP", "none", 0) + resp("SET", "k", 1))
        command, blocking = await steering.see("SET"), await steering.see("BLPOP")
        command.cut()
        with pytest.raises(ConnectionError):
            assert await client.reader.read(1) or not_reached()
        assert command.forwarded.cancelled()
        assert command.answered.cancelled()
        assert blocking.answered.cancelled()
        assert (steering.ended, dict(proxy.connections)) == ([1], {})


def not_reached() -> bool:
    raise ConnectionError("the end, without a reset")


async def test_a_held_command_goes_when_its_application_hangs_up(
    store: Server, direct: Redis
) -> None:
    """It was on its way; without the proxy the store would have it."""
    steering = Steering("PUBLISH", "RPUSH")
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("RPUSH", "k", 1) + resp("RPUSH", "k", 2))
        command = await steering.see("RPUSH")
        client.writer.close()
        await asyncio.wait_for(command.forwarded, DEADLINE_S)
        await eventually(lambda: both_saved(direct))
        await eventually(lambda: over(steering))


async def test_who_hangs_up_while_it_waits_is_gone_at_the_store_too(
    store: Server, direct: Redis
) -> None:
    steering = Steering()
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("BLPOP", "none", 0))
        command = await steering.see("BLPOP")
        await eventually(lambda: blocked(direct, command.address))
        client.writer.close()
        await eventually(lambda: over(steering))
        assert command.answered.cancelled()
        assert not await blocked(direct, command.address)


async def test_a_subscription_has_happened_with_its_last_confirmation(store: Server) -> None:
    looking = Looking()
    async with before(store, looking) as proxy, Redis.from_url(proxy.url) as client:
        pubsub = client.pubsub()
        await pubsub.subscribe("a", "b", "c")
        confirmed = [await pubsub.get_message(timeout=DEADLINE_S) for _ in range(3)]
        assert [c["channel"] for c in confirmed if c] == [b"a", b"b", b"c"]
        assert await answer(looking.last("SUBSCRIBE")) == Reply("ok", b"subscribe")
        await pubsub.unsubscribe()
        await pubsub.ping()
        confirmed = [await pubsub.get_message(timeout=DEADLINE_S) for _ in range(4)]
        assert confirmed[-1]
        assert confirmed[-1]["type"] == "pong"
        assert await answer(looking.last("UNSUBSCRIBE")) == Reply("ok", b"unsubscribe")
        assert await answer(looking.last("PING")) == Reply("ok", b"PONG")
        await pubsub.aclose()


async def test_a_refused_subscription_is_answered_by_one_error(
    store: Server, direct: Redis
) -> None:
    """It waited for two more confirmations, and every reply behind it went to the wrong command."""
    await direct.execute_command("ACL", "SETUSER", "deaf", "on", "nopass", "+@all", "~*")
    looking = Looking()
    async with before(store, looking) as proxy:
        client = await raw(proxy)
        await client.ask(resp("AUTH", "deaf", "secret"), b"+OK\r\n")
        await client.ask(resp("SUBSCRIBE", "a", "b", "c"), b"-NOPERM")
        await client.reader.readline()
        await client.ask(resp("PING"), b"+PONG\r\n")
    assert (await answer(looking.last("SUBSCRIBE"))).kind == "error"
    assert await answer(looking.last("PING")) == Reply("ok", b"PONG")
    assert looking.last("AUTH").args == ()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_message_can_be_held_and_belongs_to_no_command(
    store: Server, direct: Redis, protocol: int
) -> None:
    steering = Steering(pushes=True)
    async with before(store, steering) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("HELLO", protocol) + resp("SUBSCRIBE", "c"))
        await client.reader.readuntil(b"subscribe\r\n$1\r\nc\r\n:1\r\n")
        await direct.publish("c", "one")
        message = await steering.message()
        assert (message.channel, message.data) == (b"c", b"one")
        client.writer.write(resp("UNSUBSCRIBE"))
        await answer(await steering.see("SUBSCRIBE"))
        message.deliver()
        kind = b"*" if protocol == 2 else b">"
        await client.get(kind + b"3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\none\r\n")
        assert await answer(await steering.see("UNSUBSCRIBE")) == Reply("ok", b"unsubscribe")


@pytest.mark.parametrize("protocol", [2, 3])
async def test_transactions_are_shown_whole_and_an_aborted_one_is_nil(
    store: Server, direct: Redis, protocol: int
) -> None:
    looking = Looking()
    async with (
        before(store, looking) as proxy,
        Redis.from_url(proxy.url, protocol=protocol) as client,
    ):
        await client.pipeline().rpush("k", "v").publish("c", "v").execute()
        done = looking.last("EXEC")
        assert done.block == (("RPUSH", (b"k", b"v")), ("PUBLISH", (b"c", b"v")))
        assert (await answer(done)).kind == "ok"
        assert [p.name for p in looking.passages].count("RPUSH") == 0
        raw_client = await raw(proxy)
        await raw_client.ask(resp("WATCH", "k") + resp("MULTI"), b"+OK\r\n+OK\r\n")
        await direct.rpush("k", "between")
        await raw_client.ask(resp("GET", "x") + resp("EXEC"), b"+QUEUED\r\n*-1\r\n")
        assert await answer(looking.last("EXEC")) == Reply("nil", b"")


async def test_a_transaction_that_is_refused_has_not_begun(store: Server, direct: Redis) -> None:
    """All that came after it was taken for queued, and never shown. A MULTI within a transaction is
    refused, too, but changes nothing."""
    await direct.execute_command("ACL", "SETUSER", "plain", "on", "nopass", "+@all", "-multi", "~*")
    looking = Looking()
    async with before(store, looking) as proxy:
        client = await raw(proxy)
        await client.ask(resp("MULTI") + resp("MULTI"), b"+OK\r\n-ERR")
        await client.reader.readline()
        await client.ask(resp("GET", "a") + resp("EXEC"), b"+QUEUED\r\n-EXECABORT")
        await client.reader.readline()
        assert looking.last("EXEC").block == (("GET", (b"a",)),)
        await client.ask(resp("AUTH", "plain", "x") + resp("MULTI"), b"+OK\r\n-NOPERM")
        await client.reader.readline()
        await client.ask(resp("GET", "b"), b"$-1\r\n")
        assert looking.last("GET").args == (b"b",)


async def test_a_null_within_a_reply_is_no_aborted_transaction(store: Server) -> None:
    looking = Looking()
    async with before(store, looking) as proxy, Redis.from_url(proxy.url) as client:
        await client.mget("none", "neither")
        await client.get("none")
        assert (await answer(looking.last("MGET"))).kind == "ok"
        assert (await answer(looking.last("GET"))).kind == "nil"


async def test_a_script_that_the_store_has_not_is_an_error(store: Server) -> None:
    looking = Looking()
    async with before(store, looking) as proxy, Redis.from_url(proxy.url) as client:
        script = client.register_script("return 7")
        assert await script() == 7
        first = next(p for p in looking.passages if p.name == "EVALSHA")
        reply = await answer(first)
        assert (reply.kind, reply.head[:8]) == ("error", b"NOSCRIPT")


@pytest.mark.parametrize("command", [("CLIENT", "REPLY", "OFF"), ("MONITOR",)])
async def test_what_cannot_be_counted_passes_unseen_and_the_reason_is_known(
    store: Server, command: tuple[str, ...]
) -> None:
    """And what had been asked before is still answered."""
    looking = Looking()
    async with before(store, looking) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("PING", "before") + resp(*command) + resp("SET", "k", "v"))
        await client.get(b"$6\r\nbefore\r\n")
        assert await answer(looking.last("PING")) == Reply("ok", b"before")
        assert proxy.connections[1].unseen == " ".join(command)
        client.writer.write(resp("CLIENT", "REPLY", "ON") + resp("QUIT"))
        assert (await client.reader.read()).endswith(b"+OK\r\n")
        assert [p.name for p in looking.passages] == ["PING"]


async def test_a_reset_connection_begins_anew(store: Server) -> None:
    looking = Looking()
    async with before(store, looking) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("HELLO", 3) + resp("SUBSCRIBE", "c") + resp("RESET"))
        await client.reader.readuntil(b"+RESET\r\n")
        await client.ask(resp("RPUSH", "list", "message", "c", "x"), b":3\r\n")
        await client.ask(resp("LRANGE", "list", 0, 0), b"*1\r\n$7\r\nmessage\r\n")
        await client.ask(resp("DEL", "list"), b":1\r\n")
        assert await answer(looking.last("LRANGE")) == Reply("ok", b"message")
        await client.ask(resp("QUIT"), b"+OK\r\n")
        assert await client.reader.read() == b""


async def test_invalidations_of_client_tracking_belong_to_no_command(
    store: Server, direct: Redis
) -> None:
    looking = Looking()
    async with before(store, looking) as proxy:
        client = await raw(proxy)
        client.writer.write(resp("HELLO", 3) + resp("CLIENT", "TRACKING", "ON"))
        await client.reader.readuntil(b"+OK\r\n")
        await client.ask(resp("GET", "k"), b"_\r\n")
        await direct.set("k", 1)
        await client.get(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n")
        await client.ask(resp("GET", "k"), b"$1\r\n1\r\n")
        assert await answer(looking.last("GET")) == Reply("ok", b"1")
        assert looking.pushes == []


async def test_an_application_connects_anew_when_the_store_ends_a_connection(
    store: Server, direct: Redis
) -> None:
    looking, again = Looking(), Retry(NoBackoff(), 1)
    async with before(store, looking) as proxy, Redis.from_url(proxy.url, retry=again) as client:
        assert await client.ping()
        address = proxy.connections[1].address
        listed = [entry["addr"] for entry in await direct.client_list()]
        assert address in listed
        assert looking.passages[0].address == address
        await direct.client_kill(address)
        assert await client.ping()
        assert looking.last("PING").connection == 2
        assert looking.ended == [1]


async def test_a_password_passes_and_the_shown_url_has_none(tmp_path: Path) -> None:
    looking = Looking()
    with server(tmp_path, "--requirepass", "secret") as store:
        async with Proxy(f"redis://:secret@127.0.0.1:{store.port}/3", looking) as proxy:
            assert (":secret@" in proxy.url, proxy.url[-2:]) == (True, "/3")
            assert "secret" not in proxy.shown_url
            async with Redis.from_url(proxy.url) as client:
                assert await client.ping()
            async with Redis.from_url(proxy.shown_url) as client:
                with pytest.raises(RedisError):
                    await client.ping()
    assert all(b"secret" not in word for p in looking.passages for word in p.args)


async def test_tls_on_both_sides(store: Server, direct: Redis, tmp_path: Path) -> None:
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    looking, ca = Looking(), f"ssl_ca_certs={files[0]}"
    async with behind_tls(store.port, files) as port:
        url = f"rediss://127.0.0.1:{port}/0?{ca}"
        async with Proxy(url, looking, tls=context) as proxy:
            assert proxy.url.startswith("rediss://127.0.0.1:")
            async with Redis.from_url(f"{proxy.url}?{ca}") as client:
                await client.set("k", b"x" * 2_000_000)
                assert await client.get("k") == b"x" * 2_000_000
    assert looking.last("SET").args[1][:3] == b"xxx"


@pytest.mark.parametrize("parsed", [False, True])
async def test_a_value_of_200_mb_takes_little_memory(
    store: Server, direct: Redis, parsed: bool
) -> None:
    size, piece, looking = 200 * 1024 * 1024, b"x" * 1024 * 1024, Looking()
    async with before(store, looking if parsed else None) as proxy:
        client = await raw(proxy)
        tracemalloc.start()
        try:
            client.writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % size)
            for _ in range(size // len(piece)):
                client.writer.write(piece)
                await client.writer.drain()
            await client.ask(b"\r\n", b"+OK\r\n")
            client.writer.write(resp("GET", "k"))
            left = len(b"$%d\r\n\r\n" % size) + size
            while left:
                left -= len(await client.reader.read(65_536))
            assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
        finally:
            tracemalloc.stop()
    await direct.flushall()
    if parsed:
        assert await answer(looking.last("SET")) == Reply("ok", b"OK")
        assert looking.last("SET").args == (b"k", b"x" * 65_536)


async def test_where_no_store_answers_the_application_is_hung_up_on(tmp_path: Path) -> None:
    with server(tmp_path) as gone:
        pass
    looking = Looking()
    async with Proxy(f"redis://127.0.0.1:{gone.port}/0", looking) as proxy:
        async with Redis.from_url(proxy.url, retry=None) as client:
            with pytest.raises(ClientLost):
                await client.ping()
        await eventually(lambda: over(looking))
        assert proxy.connections == {}


async def test_sentinel_is_refused_and_so_is_a_port_that_is_taken(store: Server) -> None:
    with pytest.raises(UsageError, match="Sentinel"):
        Proxy("redis+sentinel://127.0.0.1:1/service/0", None)
    taken = Proxy(f"redis://127.0.0.1:{store.port}/0", None, listen=("127.0.0.1", store.port))
    with pytest.raises(UsageError, match="--listen"):
        async with taken:
            pass


@pytest.mark.parametrize(
    ("store_url", "expected"),
    [
        ("redis://u:p%40w@127.0.0.1:1/3", "redis://u:p%40w@127.0.0.1:PORT/3"),
        ("redis://127.0.0.1:1?db=4&socket_timeout=3", "redis://127.0.0.1:PORT/4"),
        ("unix:///no/store?db=5", "redis://127.0.0.1:PORT/5"),
        ("redis://127.0.0.1:1?password=x", "redis://127.0.0.1:PORT/0?password=x"),
    ],
)
async def test_the_url_keeps_user_password_and_database(store_url: str, expected: str) -> None:
    """`?db=4` was lost: the application wrote where nobody looked."""
    async with Proxy(store_url, None) as proxy:
        port = proxy.url.split("127.0.0.1:")[1].split("/")[0]
        assert proxy.url == expected.replace("PORT", port)
