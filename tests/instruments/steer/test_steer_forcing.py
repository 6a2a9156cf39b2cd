"""Every event in its turn, before a real store: what a prototype took for something else."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forcing_kit import (
    RULES,
    App,
    Send,
    confirmed,
    following,
    history,
    live,
    merging,
    naive,
    steered,
    unconfirmed,
)
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from store_kit import Server, eventually, server

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.steer.forcing import Patience
from chunk7.instruments.steer.learning import NothingLearned, learn
from chunk7.instruments.steer.natural import natural_rate
from chunk7.instruments.steer.plan import SteerEvent
from chunk7.instruments.steer.rules import Role, Rules

pytestmark = pytest.mark.live
READ, SUBSCRIBE = SteerEvent.READ, SteerEvent.SUBSCRIBE
PUBLISH, SAVE = SteerEvent.PUBLISH, SteerEvent.SAVE


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("store")) as started:
        yield started


async def test_each_order_that_an_app_allows_is_forced(store: Server, tmp_path: Path) -> None:
    async with steered(store, naive, tmp_path) as system:
        lost = await system.force("read, publish 1, save 1, subscribe")
        kept = await system.force("read, subscribe, publish 1, save 1")
    assert (lost.forced, lost.lost, lost.lost_other) == (True, (1,), 0)
    assert kept.kept


async def test_of_several_chunks_the_lost_one_is_named(store: Server, tmp_path: Path) -> None:
    async with steered(store, naive, tmp_path) as system:
        found = await system.force("publish 1, save 1, read, publish 2, save 2, subscribe")
    assert found.lost == (2,)


async def test_what_the_app_forbids_is_infeasible_and_not_hung(
    store: Server, tmp_path: Path
) -> None:
    """An event that the app itself holds back comes when nothing is held, and a join works then."""
    async with steered(store, merging, tmp_path) as system:
        found = await system.force("read, publish 1, save 1, subscribe")
    assert (found.forced, found.infeasible, found.undetermined) == (
        False,
        "read comes only after subscribe",
        None,
    )


async def test_what_never_comes_is_undetermined(store: Server, tmp_path: Path) -> None:
    """It is no order of the app's that an event waits for what it never sends."""
    async with steered(store, naive, tmp_path) as system:
        found = await system.force("read, follow, publish 1")
    assert found.undetermined == "follow never came, and a free join worked"
    assert found.infeasible is None


async def test_a_join_that_breaks_once_it_was_held_is_undetermined(
    store: Server, tmp_path: Path
) -> None:
    async def impatient(redis: Any, session: str, send: Send) -> None:
        async with asyncio.timeout(0.1):
            await redis.lrange(f"chat:{session}:history", 0, -1)
        await naive(redis, session, send)

    async with steered(store, impatient, tmp_path) as system:
        found = await system.force("publish 1, save 1, subscribe, read")
    assert found.infeasible is None
    assert found.undetermined is not None


async def test_the_order_is_asked_and_not_taken_from_arrival(store: Server, tmp_path: Path) -> None:
    """SUBSCRIBE is seen before the read, and nobody waits for it: it was called safe by that."""
    async with steered(store, unconfirmed, tmp_path) as system:
        learned = await learn(system.bench, system.new_session)
        found = await system.force("read, publish 1, save 1, subscribe")
    assert learned.system.join == (SUBSCRIBE, READ)
    assert learned.system.join_keeps == frozenset()
    assert learned.system.write_keeps == {(PUBLISH, SAVE)}
    assert found.lost == (1,)


async def test_a_blocking_read_has_happened_when_it_is_blocked(
    store: Server, tmp_path: Path
) -> None:
    """Its answer comes only with the chunk that is written after it."""
    async with steered(store, following, tmp_path, "stream_append") as system:
        after = await system.force("read, follow, append 1")
        before = await system.force("read, append 1, follow")
    assert after.kept
    assert before.kept


async def test_a_loss_elsewhere_proves_no_schedule(store: Server, tmp_path: Path) -> None:
    """The app drops its first chunk, whatever is held; the one of the schedule came."""

    async def forgetful(redis: Any, session: str, send: Send) -> None:
        async def send_later(message: dict[str, Any]) -> None:
            await send({**message, "messages": message.get("messages", [])[1:]})

        async with redis.pubsub() as pubsub:
            await confirmed(pubsub, f"chat:{session}")
            await history(redis, session, send_later)
            await live(pubsub, send)

    async with steered(store, forgetful, tmp_path) as system:
        found = await system.force("subscribe, read, publish 1, save 1")
    assert (found.forced, found.lost, found.lost_other) == (True, (), 1)
    assert not found.lossy
    assert not found.kept


async def test_one_connection_for_all_is_noted_and_orders_nothing(
    store: Server, tmp_path: Path
) -> None:
    """A read stood behind a held publication, on the connection of both, and was called an order
    of the app's: it survived whatever it did."""
    only: list[Redis] = []

    async def one_connection(_: Any, session: str, send: Send) -> None:
        await naive(only[0], session, send)

    async with (
        steered(store, one_connection, tmp_path) as system,
        Redis.from_url(system.proxy.url, single_connection_client=True) as client,
    ):
        only.append(client)
        system.produce_by(client)
        found = await system.force("read, publish 1, save 1, subscribe")
        learned = await learn(system.bench, system.new_session)
    assert found.infeasible is None
    assert found.undetermined == (
        "read came only once publish 1 went: join and producer share a connection or a lock in the "
        "process; processes: 2 in start gives each its own"
    )
    assert any("share a connection" in note for note in learned.notes)


async def test_a_lock_for_all_orders_nothing_either(store: Server, tmp_path: Path) -> None:
    """Nothing of the join came while a write was held, and the rules were blamed for that."""
    lock = asyncio.Lock()

    async def locked(redis: Any, session: str, send: Send) -> None:
        async with lock:
            await history(redis, session, send)
        async with redis.pubsub() as pubsub:
            await confirmed(pubsub, f"chat:{session}")
            await live(pubsub, send)

    async with (
        steered(store, locked, tmp_path) as system,
        Redis.from_url(system.proxy.url) as client,
    ):
        system.produce_by(client, lock)
        found = await system.force("read, publish 1, save 1, subscribe")
        kept = await system.force("publish 1, save 1, read, subscribe")
    assert found.undetermined is not None
    assert found.undetermined.startswith("read came only once publish 1 went: join and producer")
    assert kept.kept


# --- two clients ---


class Hub:
    """One subscription for all clients of a session, ended by the last who leaves."""

    def __init__(self, redis: Redis) -> None:
        self._pubsub = redis.pubsub()
        self._clients: dict[str, set[asyncio.Queue[Any]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def join(self, session: str) -> "asyncio.Queue[Any]":
        queue: asyncio.Queue[Any] = asyncio.Queue()
        clients = self._clients.setdefault(session, set())
        clients.add(queue)
        if len(clients) == 1:
            await self._pubsub.subscribe(f"chat:{session}")
            self._reader = self._reader or asyncio.create_task(self._read())
        return queue

    async def leave(self, session: str, queue: "asyncio.Queue[Any]") -> None:
        self._clients[session].discard(queue)
        if not self._clients[session]:
            await self._pubsub.unsubscribe(f"chat:{session}")
            del self._clients[session]
        if not self._clients and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    async def _read(self) -> None:
        while True:
            message = await self._pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                session = message["channel"].decode().removeprefix("chat:")
                for queue in self._clients.get(session, ()):
                    queue.put_nowait(json.loads(message["data"]))


def sharing() -> App:
    """Clients that read, and then are in a hub."""
    hubs: list[Hub] = []

    async def app(redis: Any, session: str, send: Send) -> None:
        await history(redis, session, send)
        hubs.append(hubs[0] if hubs else Hub(redis))
        queue = await hubs[0].join(session)
        try:
            while True:
                await send(await queue.get())
        finally:
            await hubs[0].leave(session, queue)

    return app


async def test_the_second_client_of_a_shared_subscription_sends_none(
    store: Server, tmp_path: Path
) -> None:
    """Its subscription was waited for, five seconds a try, and the rules were blamed."""
    async with steered(store, sharing(), tmp_path) as system:
        learned = await learn(system.bench, system.new_session, joiners=2)
        found = await system.force("join1 read, join2 read, publish 1, save 1, join1 subscribe")
        never = await system.force("join1 read, join1 subscribe, join2 read, join2 subscribe")
    assert learned.second == (READ,)
    assert any("sends no subscribe of its own" in note for note in learned.notes)
    assert found.lost == (1,)
    assert never.undetermined == "join2 subscribe never came, and a free join worked"


async def test_two_joins_of_their_own_are_told_apart(store: Server, tmp_path: Path) -> None:
    """The second loses what comes between its read and its subscription; the first does not."""
    async with steered(store, naive, tmp_path) as system:
        learned = await learn(system.bench, system.new_session, joiners=2)
        found = await system.force(
            "join1 read, join1 subscribe, join2 read, publish 1, save 1, join2 subscribe"
        )
        kept = await system.force(
            "join1 read, join2 read, join1 subscribe, join2 subscribe, publish 1, save 1"
        )
    assert learned.second == (READ, SUBSCRIBE)
    assert found.lost == (1,)
    assert kept.kept


async def test_a_leaver_and_a_joiner_are_forced(store: Server, tmp_path: Path) -> None:
    """The leaver began only after the join, which took over its subscription: no end of one was
    ever sent, and every schedule with a leaver was undetermined."""
    async with steered(store, sharing(), tmp_path) as system:
        await learn(system.bench, system.new_session, leaver=True)
        kept = await system.force("leave, read, subscribe, publish 1, save 1")
        lost = await system.force("read, leave, publish 1, save 1, subscribe")
        refused = await system.force("read, subscribe, leave, publish 1, save 1")
    assert kept.kept
    assert lost.lost == (1,)
    assert refused.infeasible == "subscribe comes only after leaver leave"


async def test_a_leave_that_sends_nothing_is_said_before_anything_is_forced(
    store: Server, tmp_path: Path
) -> None:
    rules = Rules(tuple(rule for rule in RULES.rules if rule.role is not Role.LEAVE))
    async with steered(store, naive, tmp_path, rules=rules) as system:
        with pytest.raises(NothingLearned, match="--leaver: clients that leave send no command"):
            await learn(system.bench, system.new_session, leaver=True)


# --- faults ---


@pytest.mark.parametrize(
    ("app", "schedule", "lost"),
    [
        (merging, "subscribe, read, network store_reconnect, publish 1, save 1", (1,)),
        (merging, "network stale_read, subscribe, publish 1, save 1, read", ()),
        (naive, "network stale_read, publish 1, save 1, read, subscribe", (1,)),
    ],
)
async def test_a_fault_strikes_at_its_moment(
    store: Server, tmp_path: Path, app: App, schedule: str, lost: tuple[int, ...]
) -> None:
    async with steered(store, app, tmp_path) as system:
        learned = await learn(system.bench, system.new_session)
        system.bench = replace(system.bench, read_like=learned.read_like)
        found = await system.force(schedule)
    assert found.undetermined is None
    assert found.lost == lost


@pytest.mark.parametrize("fault", ["reply_lost", "connection_cut"])
async def test_a_read_whose_connection_ends_is_sent_again_by_a_client_that_retries(
    store: Server, tmp_path: Path, fault: str
) -> None:
    async with steered(store, naive, tmp_path) as system:
        found = await system.force(f"read, network {fault}, subscribe, publish 1, save 1")
    assert found.undetermined is None
    assert found.kept


@pytest.mark.parametrize(
    ("fault", "duplicates"), [("timeout_not_executed", 0), ("timeout_executed", 1)]
)
async def test_a_producer_that_hears_nothing_writes_again(
    store: Server, tmp_path: Path, fault: str, duplicates: int
) -> None:
    """Nothing of the producer was held for this fault, and so there was nothing to strike."""
    async with (
        steered(store, naive, tmp_path) as system,
        Redis.from_url(system.proxy.url, retry=Retry(NoBackoff(), 3)) as client,
    ):
        system.produce_by(client)
        found = await system.force(f"read, subscribe, network {fault} 1")
    assert (found.forced, found.lost, found.duplicates) == (True, (), duplicates)


# --- what waits is let go ---


async def test_a_try_that_is_broken_off_lets_go_what_it_held(store: Server, tmp_path: Path) -> None:
    async with steered(store, naive, tmp_path) as system:
        trying = asyncio.create_task(system.force("subscribe, read, publish 1"))

        async def held() -> bool:
            trial = system.bench.gates.trial
            return trial is not None and len(trial.held) == 2

        await eventually(held)
        trial = system.bench.gates.trial
        assert trial is not None
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
        assert all(passage.forwarded.done() for passage in trial.held.values())
        after = await system.force("read, subscribe, publish 1, save 1")
    assert after.kept


async def test_an_app_that_dies_while_it_is_held_is_said_at_once(
    store: Server, tmp_path: Path
) -> None:
    """It was waited for five seconds, and then its rules were blamed."""

    async def dying(redis: Any, session: str, send: Send) -> None:
        raise ConnectionError("no more")

    async with steered(store, dying, tmp_path) as system:
        system.bench = replace(system.bench, patience=Patience(first_s=3600.0, hold_s=3600.0))
        found = await system.force("read, subscribe, publish 1, save 1")
    assert found.undetermined is not None
    assert found.undetermined.startswith("the client of join1 is gone: ")


# --- nothing is held ---


async def test_ordinary_joins_are_counted_and_none_that_works_is_said(
    store: Server, tmp_path: Path
) -> None:
    async def dying(redis: Any, session: str, send: Send) -> None:
        raise ConnectionError("no more")

    async with steered(store, merging, tmp_path) as system:
        found = await natural_rate(system.bench, 3, system.new_session)
    assert (found.lossy, found.joins) == (0, 3)
    async with steered(store, dying, tmp_path) as system:
        with pytest.raises(Chunk7Error, match="not one ordinary join received anything"):
            await natural_rate(system.bench, 2, system.new_session)
