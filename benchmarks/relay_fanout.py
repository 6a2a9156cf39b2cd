"""Fan-out of one core: the node's way of writing a chunk to many clients, beside its peers.

A server process writes the same chunks to all its clients; a client process reads the bytes and
throws them away, so that the server is what is measured. Reported is CPU time of the server a
delivery, which does not depend on what else the machine does, and the rate that follows from it.

The second table has the way from the store in it: chunks are published in a valkey-server, 50 a
second and channel, and the node's hub, or one redis-py PubSub a client, brings them to the clients.

    python -m benchmarks.relay_fanout [--clients 200] [--chunks 2000] [--repeats 3]
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.synchronize import Event
from typing import Any

import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.producer_rate import store
from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.effects import Sink
from chunk7.nodes.door import Door
from chunk7.nodes.feeds.per_client import PerClientHub
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.transports.connection import NodeConnection
from chunk7.nodes.transports.reading import read_buffer
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.frames import encode_chunk
from chunk7.wire.store.link import Link

PAYLOAD = encode_chunk(Chunk("session", "message", 12, "a few words of text", seq=1234))
BATCH = 20
"""Chunks between two turns of the event loop, as they come when a node is busy."""
Deliver = Callable[[list[Any], list[Client]], Awaitable[None]]
CHUNK_RATE = 50
"""Chunks a second and channel, from the store."""
WATCHERS = (1, 4, 20)
"""Clients a channel, from the store."""
MakeHub = Callable[[str, Callable[[int], None]], Hub]


async def node(_: list[ServerConnection], clients: list[Client]) -> None:
    """chunk7's node: the frame built once, one bounded write a client."""
    frame = text_frame(PAYLOAD)
    for client in clients:
        client.write_live(frame)


async def websockets_broadcast(connections: list[ServerConnection], _: list[Client]) -> None:
    """websockets.broadcast: the frame built for every client, nothing bounded."""
    broadcast(connections, PAYLOAD, text=True)


async def websockets_send(connections: list[ServerConnection], _: list[Client]) -> None:
    """await connection.send for one client after the other: what people write first."""
    for connection in connections:
        await connection.send(PAYLOAD, text=True)


async def system_call(connections: list[ServerConnection], _: list[Client]) -> None:
    """Nothing but the system call, with the file numbers at hand: the floor under every way."""
    frame = text_frame(PAYLOAD)
    for connection in connections:
        os.write(connection.transport.get_extra_info("socket").fileno(), frame)


WAYS: dict[str, Deliver] = {
    "chunk7 node": node,
    "websockets.broadcast": websockets_broadcast,
    "await send() each": websockets_send,
    "system call alone": system_call,
}


def _bad(channel: bytes, payload: bytes) -> None:
    raise RuntimeError(f"{channel!r}: {payload!r}")


HUBS: dict[str, MakeHub] = {
    "chunk7 node, one subscription a channel": lambda _, count: Hub(64 << 20, count, _bad),
    "redis-py as it comes, one PubSub a client": lambda url, count: PerClientHub(
        url, 64 << 20, count, _bad
    ),
}


def _read_all(port: int, count: int, done: Event) -> None:
    """The client process: open connections, then take what comes without looking at it."""

    class Sponge(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self._buffer = memoryview(bytearray(65_536))

        def get_buffer(self, sizehint: int) -> memoryview:
            return self._buffer

        def buffer_updated(self, nbytes: int) -> None:
            pass

    async def read() -> None:
        connections: list[ClientConnection] = []
        for _ in range(count):
            url = f"ws://127.0.0.1:{port}/"
            connections.append(await connect(url, compression=None, ping_interval=None))
        for connection in connections:
            connection.transport.set_protocol(Sponge())
        await asyncio.to_thread(done.wait)

    asyncio.run(read())


@contextlib.asynccontextmanager
async def _connected(clients: int, ours: bool) -> AsyncIterator[list[Any]]:
    """A server with this many clients: NodeConnections, or ServerConnections of websockets."""
    connections: list[Any] = []
    complete, over = asyncio.Event(), asyncio.Event()

    def begin(connection: NodeConnection | ServerConnection) -> None:
        connections.append(connection)
        if len(connections) == clients:
            complete.set()

    async def handle(connection: ServerConnection) -> None:
        begin(connection)
        await over.wait()
        connection.transport.abort()

    done = multiprocessing.get_context("spawn").Event()
    if ours:
        door, read_into = Door[NodeConnection](clients), read_buffer()
        server: Any = await asyncio.get_running_loop().create_server(
            lambda: NodeConnection(door, lambda _connection, _request: None, begin, read_into),
            "127.0.0.1",
            0,
            backlog=512,
        )
    else:
        server = await serve(
            handle, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=512
        )
    port = server.sockets[0].getsockname()[1]
    readers = multiprocessing.get_context("spawn").Process(
        target=_read_all, args=(port, clients, done)
    )
    readers.start()
    await asyncio.wait_for(complete.wait(), 60)
    yield connections
    done.set()
    over.set()
    server.close()
    await server.wait_closed()
    await asyncio.to_thread(readers.join)


async def _measure(deliver: Deliver, clients: int, chunks: int) -> float:
    """CPU microseconds of the server a delivery."""
    ours = deliver is node
    async with _connected(clients, ours) as connections:
        outboxes = [
            Client(c, i, "s", 64 << 20, _unexpected) for i, c in enumerate(connections) if ours
        ]
        cpu = time.process_time()
        for number in range(chunks):
            await deliver(connections, outboxes)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        while any(connection.transport.get_write_buffer_size() for connection in connections):  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # poll: the transports tell nobody but their protocol
        return (time.process_time() - cpu) * 1e6 / (clients * chunks)


# --- from the store ---


def _publish(url: str, channels: int, chunks: int) -> None:
    """Another process: so many chunks into each channel, evenly, a pipeline a millisecond."""
    names = [stream_key(f"s{number}") for number in range(channels)]
    began_s, sent = time.monotonic(), 0
    with redis.Redis.from_url(url) as client:
        while sent < channels * chunks:
            time.sleep(0.001)
            due = min(channels * chunks, int((time.monotonic() - began_s) * channels * CHUNK_RATE))
            pipeline = client.pipeline(transaction=False)
            for number in range(sent, due):
                pipeline.publish(names[number % channels], PAYLOAD)
            pipeline.execute()
            sent = due


async def _measure_feed(
    make: MakeHub, url: str, clients: int, watchers: int, chunks: int
) -> tuple[float, int]:
    """(CPU microseconds a delivery from the store's socket on, connections to the store)."""
    got, complete = 0, asyncio.Event()

    def count(receivers: int) -> None:
        nonlocal got
        got += receivers
        if got == clients * chunks:
            complete.set()

    async with _connected(clients, ours=True) as connections:
        outboxes = [
            Client(c, i, f"s{i // watchers}", 64 << 20, _unexpected)
            for i, c in enumerate(connections)
        ]
        hub = make(url, count)
        link = await Link.open(url, on_push=hub.on_push, on_read=hub.on_read)
        await hub.connect(link)
        await asyncio.gather(*[hub.join(client, Sink.CLIENT).confirmed for client in outboxes])
        with redis.Redis.from_url(url) as asking:
            connected = asking.info("clients")["connected_clients"] - 1
        publisher = multiprocessing.get_context("spawn").Process(
            target=_publish, args=(url, clients // watchers, chunks)
        )
        publisher.start()
        cpu = time.process_time()
        await asyncio.wait_for(complete.wait(), 120)
        cpu = time.process_time() - cpu
        await asyncio.to_thread(publisher.join)
        for client in outboxes:
            hub.leave(client)
        await hub.close()
        await link.close()
    return cpu * 1e6 / (clients * chunks), connected


def _feeds(clients: int, chunks: int, repeats: int) -> None:
    """The second table."""
    print(f"\n{clients} clients, {chunks} chunks a channel, {CHUNK_RATE} a second, from the store")
    print("| way | clients a channel | CPU us a delivery | connections to the store |")
    print("|---|---|---|---|")
    with store() as url:
        at = f"{url}?max_connections={clients + 10}"
        for watchers in WATCHERS:
            taken: dict[str, list[tuple[float, int]]] = defaultdict(list)
            for _ in range(repeats):
                for name, make in HUBS.items():
                    measured = asyncio.run(_measure_feed(make, at, clients, watchers, chunks))
                    taken[name].append(measured)
            for name, pairs in taken.items():
                costs, connections = zip(*pairs, strict=True)
                cost_us = statistics.median(costs)
                print(f"| {name} | {watchers} | {cost_us:.1f} | {max(connections)} |", flush=True)


def _unexpected(client: Client) -> None:
    raise RuntimeError(f"client {client.connection_id} was too slow for the benchmark")


def main() -> None:
    """Measure all ways in turn, several times, and print the medians as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--chunks", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(given.repeats):
        for name, deliver in WAYS.items():
            costs[name].append(asyncio.run(_measure(deliver, given.clients, given.chunks)))
    print(f"{given.clients} clients, {given.chunks} chunks of {len(PAYLOAD)} bytes")
    print("| way | CPU us a delivery | deliveries/s of one core |")
    print("|---|---|---|")
    for name, taken in costs.items():
        print(
            f"| {name} | {statistics.median(taken):.2f} | {1e6 / statistics.median(taken):,.0f} |"
        )
    _feeds(given.clients, given.chunks // 10, given.repeats)


if __name__ == "__main__":
    main()
