"""Many WebSocket clients in one process that read, count and forget: the other end of relays.py.

They speak raw bytes: what is measured is the relay, and they must cost little beside it.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import numpy as np

AT_ONCE = 50
"""Clients that are on their way in."""
MARK = b'"message_id"'
_PUBLISHED = re.compile(rb'"message_id":"(\d+)"')


def text_frame(text: bytes) -> bytes:
    """A client's frame, masked with zeros: the payload stays as it is."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


@dataclass(frozen=True)
class Client:
    """`path` of a session; (what to wait for, what to send then); what says that it has joined."""

    path: str
    joined: bytes
    says: tuple[tuple[bytes, str], ...] = ()


PLAIN = Client("/ws/{session}", b'"history"')
OWN = Client("/ws/{session}?ordering=subscribe_then_history", b'"welcome"')
SOCKET_IO = Client(
    "/socket.io/?EIO=4&transport=websocket",
    b'["history"',
    ((b"pingTimeout", "40"), (b'40{"sid"', '42["join","{session}"]')),
)


@dataclass
class Seen:
    """What came to all clients, and the delays of a tenth of them."""

    chunks: int = 0
    delays_ns: list[int] = field(default_factory=list)


class _Sponge(asyncio.Protocol):
    def __init__(
        self, client: Client, session: str, seen: Seen, watches: bool, joined: Callable[[], None]
    ) -> None:
        self._client, self._session, self._seen = client, session, seen
        self._says, self._tail, self._joined = [*client.says], b"", joined
        self._watches, self._is_in = watches, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        path = self._client.path.replace("{session}", self._session)
        transport.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self._is_in:
            self._join(data)
            return
        at_ns = time.monotonic_ns()
        data = self._tail + data
        self._seen.chunks += data.count(MARK)
        if self._watches:
            published = _PUBLISHED.findall(data)
            self._seen.delays_ns += [at_ns - int(of_ns) for of_ns in published]
        # A mark that is cut in two is counted when its end has come, and no mark twice.
        last = data.rfind(MARK)
        counted = last + len(MARK) if last >= 0 else 0
        self._tail = data[max(counted, len(data) - len(MARK) + 1) :]

    def _join(self, data: bytes) -> None:
        self._tail += data
        if self._says and self._says[0][0] in self._tail:
            _, text = self._says.pop(0)
            text = text.replace("{session}", self._session)
            self._transport.write(text_frame(text.encode()))
        elif self._client.joined in self._tail:
            self._is_in, self._tail = True, b""
            self._joined()


class _Crowd:
    def __init__(self, client: Client, port: int) -> None:
        self._client, self._port = client, port
        self._seen = Seen()
        self._transports: list[asyncio.BaseTransport] = []
        self._waiting = asyncio.Semaphore(AT_ONCE)

    async def join(self, count: int, sessions: int, prefix: str) -> int:
        """Come, so many, and return when all are in."""
        names = [f"{prefix}{number % sessions}" for number in range(count)]
        await asyncio.gather(*(self._come(n, name) for n, name in enumerate(names)))
        return count

    async def _come(self, number: int, session: str) -> None:
        async with self._waiting:
            joined = asyncio.Event()
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: _Sponge(self._client, session, self._seen, number % 10 == 0, joined.set),
                "127.0.0.1",
                self._port,
            )
            self._transports.append(transport)
            await asyncio.wait_for(joined.wait(), 30)

    def received(self) -> int:
        """Chunks, of all clients."""
        return self._seen.chunks

    def clear(self) -> None:
        """Count from here on."""
        self._seen.chunks = 0
        self._seen.delays_ns.clear()

    def p99_ms(self) -> float:
        """Of the delays since `clear`."""
        return float(np.quantile(self._seen.delays_ns, 0.99)) / 1e6

    def leave(self) -> None:
        """All of them, at once."""
        for transport in self._transports:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        self._transports.clear()


def serve(client: Client, port: int, pipe: Connection) -> None:
    """Answer questions until nobody asks any more."""
    asyncio.run(_serve(_Crowd(client, port), pipe))


async def _serve(crowd: _Crowd, pipe: Connection) -> None:
    while True:
        try:
            name, *values = await asyncio.to_thread(pipe.recv)
        except EOFError:
            return
        answer = getattr(crowd, name)(*values)
        pipe.send(await answer if asyncio.iscoroutine(answer) else answer)
