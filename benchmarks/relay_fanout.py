"""Fan-out of one core: the node's way of writing a chunk to many clients, beside its peers.

A server process writes the same chunks to all its clients; a client process reads the bytes and
throws them away, so that the server is what is measured. Reported is CPU time of the server a
delivery, which does not depend on what else the machine does, and the rate that follows from it.

    python benchmarks/relay_fanout.py [--clients 200] [--chunks 2000] [--repeats 3]
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.synchronize import Event

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from chunk7.delivery.chunk import Chunk
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.wire.frames import encode_chunk

PAYLOAD = encode_chunk(Chunk("session", "message", 12, "a few words of text", seq=1234))
BATCH = 20
"""Chunks between two turns of the event loop, as they come when a node is busy."""
Deliver = Callable[[list[ServerConnection], list[Client]], Awaitable[None]]


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


async def _measure(deliver: Deliver, clients: int, chunks: int) -> tuple[float, float]:
    """(CPU microseconds a delivery, wall seconds) of the server."""
    connections: list[ServerConnection] = []
    complete, over = asyncio.Event(), asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        if len(connections) == clients:
            complete.set()
        await over.wait()
        connection.transport.abort()

    done = multiprocessing.get_context("spawn").Event()
    server = await serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=512)
    port = server.sockets[0].getsockname()[1]
    readers = multiprocessing.get_context("spawn").Process(
        target=_read_all, args=(port, clients, done)
    )
    readers.start()
    await asyncio.wait_for(complete.wait(), 60)
    outboxes = [Client(c, i, "s", 64 << 20, _unexpected) for i, c in enumerate(connections)]
    cpu, wall = time.process_time(), time.perf_counter()
    for number in range(chunks):
        await deliver(connections, outboxes)
        if number % BATCH == 0:
            await asyncio.sleep(0)
    while any(connection.transport.get_write_buffer_size() for connection in connections):  # noqa: ASYNC110
        await asyncio.sleep(0.001)  # poll: the transports tell nobody but their protocol
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    done.set()
    over.set()
    server.close()
    await server.wait_closed()
    await asyncio.to_thread(readers.join)
    return cpu * 1e6 / (clients * chunks), wall


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
            cost_us, _wall = asyncio.run(_measure(deliver, given.clients, given.chunks))
            costs[name].append(cost_us)
    print(f"{given.clients} clients, {given.chunks} chunks of {len(PAYLOAD)} bytes")
    print("| way | CPU us a delivery | deliveries/s of one core |")
    print("|---|---|---|")
    for name, taken in costs.items():
        print(
            f"| {name} | {statistics.median(taken):.2f} | {1e6 / statistics.median(taken):,.0f} |"
        )


if __name__ == "__main__":
    main()
