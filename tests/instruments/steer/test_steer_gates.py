"""Which commands wait, and which have happened: before a real store, without any application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from forcing_kit import RULES, steps
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ClientLost
from redis.exceptions import NoScriptError, RedisError, ResponseError, WatchError
from store_kit import Server, eventually, server

from chunk7.instruments.steer.plan import SteerEvent, SteerStep
from chunk7.instruments.steer.proxy import Proxy
from chunk7.instruments.steer.rules import Match, Role
from chunk7.instruments.steer.trial import Gates, Trial, event_of

pytestmark = pytest.mark.live
SCRIPT = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PUBLISH', KEYS[2], ARGV[1])"
[WRITE_1] = steps("write 1")
[READ] = steps("read")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("store")) as started:
        yield started


@contextlib.asynccontextmanager
async def at_gates(store: Server, trial: Trial) -> AsyncIterator[Redis]:
    """An application's client, whose commands are the trial's."""
    store.ask("FLUSHALL")
    store.ask("SCRIPT", "FLUSH")
    gates = Gates(RULES)
    gates.trial = trial
    async with (
        Proxy(f"redis://127.0.0.1:{store.port}/0", gates) as proxy,
        Redis.from_url(proxy.url, protocol=2, retry=None) as client,
    ):
        yield client


def names(session: str) -> tuple[str, str]:
    return f"chat:{session}:history", f"chat:{session}"


@pytest.mark.parametrize(
    ("roles", "event"),
    [
        ((Role.SAVE, Role.PUBLISH), SteerEvent.WRITE),
        ((Role.PUBLISH,), SteerEvent.PUBLISH),
        ((Role.READ, Role.SUBSCRIBE), SteerEvent.SUBSCRIBE),
        ((), None),
    ],
)
def test_a_transaction_is_one_event(roles: tuple[Role, ...], event: SteerEvent | None) -> None:
    assert event_of(Match(role, None) for role in roles) == event


async def test_a_script_that_the_store_does_not_know_is_no_event(store: Server) -> None:
    """EVALSHA was answered NOSCRIPT, and the EVAL behind it went unheld as the next chunk's."""
    trial = Trial("a", [WRITE_1], 0)
    async with at_gates(store, trial) as client:
        sha = await client.script_load(SCRIPT)
        store.ask("SCRIPT", "FLUSH")
        first = asyncio.create_task(client.evalsha(sha, 2, *names("a"), "x"))
        assert await trial.wait(lambda: WRITE_1 in trial.held, 5)
        trial.held[WRITE_1].forward()
        with pytest.raises(NoScriptError):
            await first
        assert not trial.came(WRITE_1)
        again = asyncio.create_task(client.eval(SCRIPT, 2, *names("a"), "x"))
        assert await trial.wait(lambda: WRITE_1 in trial.held, 5)
        trial.held[WRITE_1].forward()
        assert await again is None
        assert trial.came(WRITE_1)


async def test_the_null_of_a_script_is_its_answer(store: Server) -> None:
    """A script that returns nothing was taken for refused, and the chunk after it for the same."""
    trial = Trial("a", [], 0)
    async with at_gates(store, trial) as client:
        await client.eval(SCRIPT, 2, *names("a"), "x")
        await client.eval(SCRIPT, 2, *names("a"), "y")
    assert [step.chunk for step, _ in trial.seen] == [1, 2]


async def test_an_aborted_transaction_is_no_event(store: Server) -> None:
    trial = Trial("a", [WRITE_1], 0)
    history, channel = names("a")
    async with at_gates(store, trial) as client:

        async def write() -> None:
            async with client.pipeline() as pipe:
                await pipe.watch("version")
                pipe.multi()
                pipe.rpush(history, "x")
                pipe.publish(channel, "x")
                await pipe.execute()

        first = asyncio.create_task(write())
        assert await trial.wait(lambda: WRITE_1 in trial.held, 5)
        store.ask("SET", "version", 1)
        trial.held[WRITE_1].forward()
        with pytest.raises(WatchError):
            await first
        assert not trial.came(WRITE_1)
        again = asyncio.create_task(write())
        assert await trial.wait(lambda: WRITE_1 in trial.held, 5)
        trial.held[WRITE_1].forward()
        await again
    assert trial.came(WRITE_1)


async def test_a_refused_read_is_no_event(store: Server) -> None:
    trial = Trial("a", [], 0)
    trial.joins = 1
    async with at_gates(store, trial) as client:
        store.ask("SET", "chat:a:history", "no list")
        with pytest.raises(ResponseError):
            await client.lrange("chat:a:history", 0, -1)  # type: ignore[misc]
        assert not trial.came(READ)
        assert await client.get("chat:a:history") == b"no list"
        assert trial.came(READ)


async def test_only_the_session_under_way_waits(store: Server) -> None:
    trial = Trial("a", [READ], 0)
    trial.joins = 1
    async with at_gates(store, trial) as client:
        assert await client.lrange("chat:b:history", 0, -1) == []  # type: ignore[misc]
        assert trial.held == {}


async def test_chunks_before_those_of_the_schedule_pass(store: Server) -> None:
    [save_1] = steps("save 1")
    trial = Trial("a", [save_1], 2)
    async with at_gates(store, trial) as client:
        for _ in range(2):
            await client.rpush("chat:a:history", "x")  # type: ignore[misc]
        third = asyncio.ensure_future(client.rpush("chat:a:history", "x"))  # type: ignore[arg-type]
        assert await trial.wait(lambda: save_1 in trial.held, 5)
        trial.release()
        assert await third == 3
        assert await client.rpush("chat:a:history", "x") == 4  # type: ignore[misc]
    assert [step for step, _ in trial.seen] == [
        SteerStep("producer", "save", chunk) for chunk in (-1, 0, 1, 2)
    ]


async def test_an_app_that_dies_while_it_is_held_leaves_nothing_held(store: Server) -> None:
    trial = Trial("a", [READ], 0)
    trial.joins = 1
    async with at_gates(store, trial) as client:
        read = asyncio.ensure_future(client.lrange("chat:a:history", 0, -1))  # type: ignore[arg-type]
        assert await trial.wait(lambda: READ in trial.held, 5)
        read.cancel()
        await client.aclose(close_connection_pool=True)
        passage = trial.held[READ]

        async def over() -> bool:
            return passage.answered.done()

        await eventually(over)
        trial.release()


async def test_a_proxy_that_is_closed_lets_nobody_wait(store: Server) -> None:
    trial = Trial("a", [READ], 0)
    trial.joins = 1
    gates = Gates(RULES)
    gates.trial = trial
    async with Proxy(f"redis://127.0.0.1:{store.port}/0", gates) as proxy:
        client = Redis.from_url(proxy.url, protocol=2, retry=None)
        read = asyncio.ensure_future(client.lrange("chat:a:history", 0, -1))  # type: ignore[arg-type]
        assert await trial.wait(lambda: READ in trial.held, 5)
    with pytest.raises((ClientLost, RedisError, OSError)):
        await asyncio.wait_for(read, 5)
    assert trial.held[READ].answered.cancelled()
    await client.aclose()
