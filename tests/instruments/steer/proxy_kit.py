"""A proxy in a thread of its own, what looks on, and a client that knows only bytes."""

import asyncio
import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from chunk7.instruments.steer.proxy import Interceptor, Passage, Proxy, Push

DEADLINE_S = 20.0


def resp(*words: bytes | str | int) -> bytes:
    """A command."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    lines = (b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n" % len(parts) + b"".join(lines)


class Looking:
    """Holds nothing, and remembers what came."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.pushes: list[Push] = []
        self.ended: list[int] = []

    def command(self, passage: Passage) -> bool:
        self.passages.append(passage)
        return False

    def push(self, push: Push) -> bool:
        self.pushes.append(push)
        return False

    def closed(self, connection: int) -> None:
        self.ended.append(connection)

    def forget(self) -> None:
        """What came so far."""
        self.passages.clear()
        self.pushes.clear()
        self.ended.clear()

    def last(self, name: str) -> Passage:
        return next(p for p in reversed(self.passages) if p.name == name)


class Restless(Looking):
    """Holds every command, every reply and every message, for a turn of the loop."""

    def command(self, passage: Passage) -> bool:
        super().command(passage)
        loop = asyncio.get_running_loop()
        loop.call_soon(passage.forward)
        passage.hold_reply = True
        passage.answered.add_done_callback(lambda _: loop.call_soon(passage.pass_reply))
        return True

    def push(self, push: Push) -> bool:
        super().push(push)
        asyncio.get_running_loop().call_soon(push.deliver)
        return True


@contextlib.contextmanager
def proxy_thread(
    url: str, interceptor: Interceptor | None, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """The port of a proxy that runs in a thread."""
    started: list[tuple[int, Callable[[], object]]] = []
    ready = threading.Event()

    async def run() -> None:
        over = asyncio.Event()
        async with Proxy(url, interceptor, tls=tls) as proxy:
            loop = asyncio.get_running_loop()
            port = urlsplit(proxy.url).port or 0
            started.append((port, partial(loop.call_soon_threadsafe, over.set)))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(DEADLINE_S)
    try:
        yield started[0][0]
    finally:
        started[0][1]()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def talk(port: int, pieces: Sequence[bytes]) -> bytes:
    """Send these, as they are cut, and read until the other side hangs up: QUIT is to be last."""
    to_send, received = [piece for piece in pieces if piece], []
    with socket.create_connection(("127.0.0.1", port)) as client, selectors.DefaultSelector() as s:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        s.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            ready = s.select(DEADLINE_S)
            assert ready, "nothing came, and it did not hang up"
            if ready[0][1] & selectors.EVENT_READ:
                try:
                    data = client.recv(65_536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return b"".join(received)
                received.append(data)
            if to_send and ready[0][1] & selectors.EVENT_WRITE:
                try:
                    to_send[0] = to_send[0][client.send(to_send[0]) :]
                except OSError:  # it has hung up; what it said before is still to be read
                    to_send.clear()
                while to_send and not to_send[0]:
                    to_send.pop(0)
                if not to_send:
                    s.modify(client, selectors.EVENT_READ)
