"""What a load-test user costs the load generator: CPU time a connection and a message.

    python -m benchmarks.websocket_user [--rounds 3] [--json FILE]

A server in a process of its own sends the same chunks to every client. Each client runs in a
fresh process under gevent with everything monkey-patched, as in Locust, one greenlet a connection.
CPU time is the client process's own (`time.process_time`), so the server's share of the machine
does not count; the median of interleaved rounds is kept.

trickle   200 connections, each 20 chunks a second at its own phase, 3 s: a wake-up for nearly every
          chunk, as it is when users of many sessions read
burst     1 connection, 20,000 chunks as fast as they come: many chunks a read
connect   300 connections one after the other: open, close
idle      300 connections at once that receive nothing more: memory each, and of the process before

`chunk7, verified` has imported what a Locust worker imports, so its memory is that of one.
"""

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import rows

ROUNDS = 3
TRICKLE_CONNECTIONS, TRICKLE_CHUNKS, TRICKLE_INTERVAL_S = 200, 60, 0.05
BURST_CHUNKS, BURST_SIZE = 20_000, 20
CONNECTS = IDLE = 300
THIS = (sys.executable, "-m", "benchmarks.websocket_user")
TRICKLE = "trickle"

CLIENTS = {
    "chunk7": "chunk7.loadtest.targets.websocket",
    "websockets.sync": "websockets.sync.client",
    "websocket-client": "websocket.create_connection",
    "chunk7, verified": "loadtest.targets, each chunk decoded, checked for gaps and recorded",
    "websocket-client, Locust event": "websocket-client, json, one Locust request event a chunk",
}


# --- the server ----------------------------------------------------------------------------


def serve_forever() -> None:
    """Print the port, then send what each path asks for: /CHUNKS/BURST/INTERVAL_S."""
    import asyncio

    from websockets.asyncio.server import ServerConnection, serve
    from websockets.frames import Frame, Opcode

    from chunk7.delivery.chunk import Chunk
    from chunk7.wire.frames import encode_chunk, encode_history

    def frame(seq: int) -> bytes:
        chunk = Chunk("run-0-3", "run-0-3-m1", seq - 1, " something", False, seq)
        return Frame(Opcode.TEXT, encode_chunk(chunk)).serialize(mask=False)

    frames = [frame(seq) for seq in range(1, BURST_CHUNKS + 1)]

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        chunks, burst, interval_s = connection.request.path.split("/")[1:]
        await connection.send(encode_history([]), text=True)
        await asyncio.sleep(random.uniform(0, float(interval_s)))
        for sent in range(0, int(chunks), int(burst)):
            connection.transport.write(b"".join(frames[sent : sent + int(burst)]))
            await asyncio.sleep(float(interval_s))
        await connection.close()

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0, compression=None) as server:
            print(next(iter(server.sockets)).getsockname()[1], flush=True)
            await server.serve_forever()

    asyncio.run(main())


# --- the clients: each a function that reads one connection to its end, and counts ----------


def _chunk7(url: str) -> int:
    from chunk7.loadtest.targets.errors import Closed
    from chunk7.loadtest.targets.websocket import connect

    count = 0
    deadline_s = time.monotonic() + 60
    connection = connect(url, deadline_s)
    try:
        while True:
            count += len(connection.receive(deadline_s))
    except Closed:
        connection.close()
    return count - 1  # the history frame


def _websockets_sync(url: str) -> int:
    from websockets.sync.client import connect

    with connect(url, compression=None, proxy=None) as connection:
        return sum(1 for _ in connection) - 1


def _websocket_client(url: str) -> int:
    from websocket import create_connection

    connection = create_connection(url, enable_multithread=False)
    count = 0
    while connection.recv():
        count += 1
    connection.close()
    return count - 1


def _verified() -> Callable[[str], int]:
    import tempfile

    import gevent
    import locust.main  # noqa: F401  # what a worker has in memory

    import chunk7.loadtest.run  # noqa: F401
    from chunk7.loadtest.targets.errors import Closed
    from chunk7.loadtest.targets.incoming import Payload
    from chunk7.loadtest.targets.reader import Reader
    from chunk7.loadtest.targets.websocket import connect
    from chunk7.wire.recorder import Recorder

    recorder = Recorder(Path(tempfile.mkdtemp()), "benchmark")

    def keep() -> None:
        while True:
            gevent.sleep(1)
            recorder.flush()

    gevent.spawn(keep)

    def client(url: str) -> int:
        reader = Reader(1, recorder.add_receipt, fills_gaps=True)
        deadline_s = time.monotonic() + 60
        connection = connect(url, deadline_s)

        def take(payloads: Sequence[Payload], at_ns: int) -> bool:
            for payload in payloads:
                reader.take(payload, at_ns)
            return False

        try:
            while True:
                connection.follow(deadline_s, take)
        except Closed:
            connection.close()
        return reader.gaps.next_seq - 1

    return client


def _locust_event() -> Callable[[str], int]:
    from locust import events
    from locust.env import Environment
    from websocket import create_connection

    environment = Environment(events=events)
    environment.create_local_runner()

    def client(url: str) -> int:
        connection = create_connection(url, enable_multithread=False)
        count = 0
        while text := connection.recv():
            started = time.perf_counter()
            frame = json.loads(text)
            count += frame["type"] == "chunk"
            environment.events.request.fire(
                request_type="WS",
                name=frame["type"],
                response_time=(time.perf_counter() - started) * 1e3,
                response_length=len(text),
                exception=None,
                context={},
            )
        connection.close()
        return count

    return client


def _client(name: str) -> Callable[[str], int]:
    if name == "chunk7, verified":
        return _verified()
    if name == "websocket-client, Locust event":
        return _locust_event()
    plain = {
        "chunk7": _chunk7,
        "websockets.sync": _websockets_sync,
        "websocket-client": _websocket_client,
    }
    return plain[name]


def measure(name: str, port: int) -> dict[str, float]:
    """CPU per message in us (trickle, burst) and per connection in ms, and memory, of this process.

    base_mib: with one connection made and gone; idle_kib: of each open one, before anything else
    has left memory behind that they could take.
    """
    import gevent

    client = _client(name)
    address = f"ws://127.0.0.1:{port}"
    client(f"{address}/100/20/0")  # imports and first-time costs
    base_mib = _rss_mib()

    idle = []
    for _ in range(IDLE):  # not all at once: what only an opening needs would count for each
        idle.append(gevent.spawn(client, f"{address}/1/1/600"))
        gevent.sleep(0.002)
    gevent.sleep(1)
    idle_mib = _rss_mib() - base_mib
    gevent.killall(idle)

    trickle_s = trickle(client, address, TRICKLE_CONNECTIONS, TRICKLE_CHUNKS, TRICKLE_INTERVAL_S)

    started = time.process_time()
    assert client(f"{address}/{BURST_CHUNKS}/{BURST_SIZE}/0") == BURST_CHUNKS
    burst_s = time.process_time() - started

    started = time.process_time()
    for _ in range(CONNECTS):
        client(f"{address}/0/1/0")
    connect_s = time.process_time() - started

    return {
        "base_mib": base_mib,
        "idle_kib": 1_024 * idle_mib / IDLE,
        "trickle_us": 1e6 * trickle_s / (TRICKLE_CONNECTIONS * TRICKLE_CHUNKS),
        "burst_us": 1e6 * burst_s / BURST_CHUNKS,
        "connect_ms": 1e3 * connect_s / CONNECTS,
    }


def trickle(
    client: Callable[[str], int], address: str, connections: int, chunks: int, interval_s: float
) -> float:
    """CPU seconds of so many connections, each with so many chunks that come one by one."""
    import gevent

    started = time.process_time()
    url = f"{address}/{chunks}/1/{interval_s}"
    readers = [gevent.spawn(client, url) for _ in range(connections)]
    counts = [reader.get() for reader in readers]
    used_s = time.process_time() - started
    assert counts == [chunks] * connections, counts
    return used_s


def trickle_verified(port: str, connections: str, chunks: str, interval_s: str) -> float:
    """The same of chunk7's own user, in a process that has done nothing before."""
    client, address = _verified(), f"ws://127.0.0.1:{port}"
    client(f"{address}/100/20/0")  # imports and first-time costs
    return trickle(client, address, int(connections), int(chunks), float(interval_s))


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096 / 2**20


# --- the comparison ------------------------------------------------------------------------

MEASURES = (
    ("a user: a chunk that comes alone, connecting included", "us", "trickle_us", 22.0),
    ("a user: chunks together, 20 a read", "us", "burst_us", None),
    ("a user: a connection", "ms", "connect_ms", 0.5),
    ("a user: memory of the process", "MiB", "base_mib", 90.0),
    ("a user: memory of a connection", "KiB", "idle_kib", 8.0),
)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """The server in a process of its own; its port."""
    # It complains about clients that leave in the middle, as the idle ones do.
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*THIS, "server"], text=True, **pipes) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def alone(*what: str) -> Any:
    """What a process of its own finds: a client's name and the port, or a trickle."""
    output = subprocess.check_output([*THIS, *what], text=True, timeout=120)
    return json.loads(output.splitlines()[-1])


def compare(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Every client in turn, several times over."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CLIENTS}
    with serving() as port:
        for _ in range(rounds):
            for name in CLIENTS:
                found[name].append(alone(name, port))
    return found


def main(arguments: Sequence[str] | None = None) -> list[rows.Row]:
    """Measure, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    found = compare(given.rounds)
    measured = []
    for what, unit, key, target in MEASURES:
        ours, noise = rows.spread([one[key] for one in found["chunk7, verified"]])
        peers = {
            name: statistics.median(one[key] for one in taken)
            for name, taken in found.items()
            if name != "chunk7, verified"
        }
        measured.append(rows.Row(what, unit, ours, peers, target, noise=noise))
    print(rows.table(measured))
    if given.json:
        rows.write(given.json, measured, ["websocket-client"])
    return measured


if __name__ == "__main__":
    if sys.argv[1:] == ["server"]:
        serve_forever()
    elif len(sys.argv) == 3 and sys.argv[1] in CLIENTS:
        from gevent import monkey

        monkey.patch_all()
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
    elif sys.argv[1:2] == [TRICKLE]:
        from gevent import monkey

        monkey.patch_all()
        print(trickle_verified(*sys.argv[2:]))
    else:
        main()
