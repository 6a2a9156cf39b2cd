"""Small applications in the test's own loop, behind the proxy, and the bench to steer them."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from store_kit import Server
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from chunk7.delivery.chunk import Chunk
from chunk7.instruments.steer.forcing import Bench, Patience, attempt
from chunk7.instruments.steer.outcome import Try
from chunk7.instruments.steer.plan import ACTORS, SteerSchedule, SteerStep
from chunk7.instruments.steer.proxy import Proxy
from chunk7.instruments.steer.rules import Rules
from chunk7.instruments.steer.systems import Produced
from chunk7.instruments.steer.trial import Gates
from chunk7.instruments.watch.patterns import patterns
from chunk7.loadtest.targets.adapter import read_adapter
from chunk7.loadtest.targets.client import TargetJoin
from chunk7.loadtest.targets.visiting import start_visit
from chunk7.producer.stepping import ChunkProducer
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.store.layout import TemplateLayout

HOST = "127.0.0.1"
HISTORY, CHANNEL, STREAM = "chat:{session_id}:history", "chat:{session_id}", "s:{session_id}"
RULES = Rules.of_patterns(patterns([HISTORY], [CHANNEL], [STREAM]))
ADAPTER = """
name: small
url: ws://127.0.0.1:PORT/{session_id}
frames:
  - {is: history, when: {type: history}, each: messages, index: index, seq: seq, text: text}
  - {is: chunk, when: {type: chunk}, index: index, seq: seq, text: text}
produce:
  history: "chat:{session_id}:history"
  channel: "chat:{session_id}"
  stream: "s:{session_id}"
  payload: {type: chunk, index: "{index}", seq: "{seq}", text: "{text}"}
  fields: {chunk: "{payload}"}
"""
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Any, str, Send], Awaitable[None]]
"""Serves one client of a session, with a client of the store, until it is cancelled."""


def steps(text: str) -> tuple[SteerStep, ...]:
    """`read, publish 1`, as the key of a schedule names them; a network's event by its name."""
    return tuple(_step(one.split()) for one in text.split(", "))


def _step(words: list[str]) -> SteerStep:
    actor = words.pop(0) if words[0] in ACTORS else ""
    chunk = int(words[1]) if len(words) > 1 else None
    if not actor:
        actor = "join1" if chunk is None else "producer"
        actor = "leaver" if words[0] == "leave" else actor
    return SteerStep(actor, words[0], chunk)


class Steered:
    """A bench, and a session for every try."""

    def __init__(self, bench: Bench, proxy: Proxy) -> None:
        self.bench, self.proxy = bench, proxy

    def new_session(self) -> str:
        """Nobody's in the store before."""
        return secrets.token_hex(8)

    def produce_by(self, client: Redis, lock: asyncio.Lock | None = None) -> None:
        """Chunks are written by a client of the application's own, each under its lock."""

        def producer(name: str) -> ChunkProducer:
            return cast(ChunkProducer, _ByClient(client, name, lock or asyncio.Lock()))

        def answers(session: str) -> Produced:
            return Produced(producer, session)

        self.bench = replace(self.bench, open_answers=answers)

    async def force(self, text: str) -> Try:
        return await attempt(self.bench, SteerSchedule(steps(text)), self.new_session())


class _ByClient:
    """Publishes, then saves."""

    def __init__(self, client: Redis, session: str, lock: asyncio.Lock) -> None:
        self._client, self._session, self._lock, self._index = client, session, lock, 0

    async def __aenter__(self) -> "_ByClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        """The client is somebody else's."""

    async def write(self, text: str) -> Chunk:
        chunk = Chunk(self._session, "m", self._index, text, seq=self._index + 1)
        self._index += 1
        data = json.dumps(
            {"type": "chunk", "index": chunk.index, "seq": chunk.seq, "text": chunk.text}
        )
        async with self._lock:
            await self._client.publish(f"chat:{self._session}", data)
            await self._client.rpush(f"chat:{self._session}:history", data)  # type: ignore[misc]
        return chunk


@contextlib.asynccontextmanager
async def steered(
    store: Server,
    app: App,
    folder: Path,
    write: str = "publish_then_save",
    rules: Rules = RULES,
    protocol: int = 2,
) -> AsyncIterator[Steered]:
    """The app behind a proxy, with `write` as our producer's ordering."""
    gates, url = Gates(rules), f"redis://{HOST}:{store.port}/0"
    async with (
        Proxy(url, gates) as proxy,
        Redis.from_url(proxy.url, protocol=protocol, retry=Retry(NoBackoff(), 3)) as ours,
        Redis.from_url(url) as control,
    ):

        async def visit(client: ServerConnection) -> None:
            async def send(message: dict[str, Any]) -> None:
                await client.send(json.dumps(message))

            assert client.request is not None
            work = asyncio.create_task(app(ours, client.request.path.strip("/"), send))
            gone = asyncio.create_task(client.wait_closed())
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, RedisError, ConnectionClosed):
                await work
            gone.cancel()

        async with serve(visit, HOST, 0) as server:
            file = folder / "small.yaml"
            port = next(iter(server.sockets)).getsockname()[1]
            file.write_text(ADAPTER.replace("PORT", str(port)))
            yield Steered(_bench(proxy, gates, read_adapter(file), write, control), proxy)


def _bench(proxy: Proxy, gates: Gates, adapter: Any, write: str, control: Any) -> Bench:
    layout = TemplateLayout(adapter.produce.templates())

    async def is_blocked(address: str) -> bool:
        return any(
            one["addr"] == address and "b" in one["flags"] for one in await control.client_list()
        )

    async def read_again(name: str, args: tuple[bytes, ...]) -> object:
        return await control.execute_command(name, *args)

    def producer(session: str) -> ChunkProducer:
        return ChunkProducer(proxy.url, layout, WRITE_ORDERINGS[write], session, 60)

    return Bench(
        gates=gates,
        open_answers=lambda session: Produced(producer, session),
        join=lambda session, n, after: start_visit(
            adapter, TargetJoin(session, n, n + 1, after), 30
        ),
        is_blocked=is_blocked,
        read_again=read_again,
        patience=Patience(first_s=2.0, hold_s=0.2, settle_s=0.15),
    )


# --- the applications ---


async def history(redis: Any, session: str, send: Send) -> list[int]:
    """Read the history and pass it on; the numbers in it."""
    read = [json.loads(one) for one in await redis.lrange(f"chat:{session}:history", 0, -1)]
    await send({"type": "history", "messages": read})
    return [one["index"] for one in read]


async def confirmed(pubsub: Any, *channels: str) -> None:
    """Subscribed, and confirmed by the store."""
    await pubsub.subscribe(*channels)
    while (await pubsub.get_message(timeout=None))["type"] != "subscribe":
        pass


async def live(pubsub: Any, send: Send, known: tuple[int, ...] = ()) -> None:
    """Pass on what comes."""
    while True:
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
        if message is not None and (chunk := json.loads(message["data"]))["index"] not in known:
            await send(chunk)


async def naive(redis: Any, session: str, send: Send) -> None:
    """Reads, then subscribes."""
    await history(redis, session, send)
    async with redis.pubsub() as pubsub:
        await confirmed(pubsub, f"chat:{session}")
        await live(pubsub, send)


async def merging(redis: Any, session: str, send: Send) -> None:
    """Subscribes, waits until that is confirmed, and only then reads."""
    async with redis.pubsub() as pubsub:
        await confirmed(pubsub, f"chat:{session}")
        await live(pubsub, send, tuple(await history(redis, session, send)))


async def unconfirmed(redis: Any, session: str, send: Send) -> None:
    """Sends SUBSCRIBE before the read, and does not wait for it."""
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(f"chat:{session}")
        await live(pubsub, send, tuple(await history(redis, session, send)))


async def following(redis: Any, session: str, send: Send) -> None:
    """Reads a stream, and follows it from there."""
    key, last = f"s:{session}", b"0"
    entries = await redis.xrange(key)
    while True:
        for entry, fields in entries:
            await send(json.loads(fields[b"chunk"]))
            last = entry
        found = await redis.xread({key: last}, block=0)
        entries = next(iter(found.values()))[0] if isinstance(found, dict) else found[0][1]
