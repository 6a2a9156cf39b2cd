"""One pipelined connection to a Redis-protocol server.

Commands are executed in the order in which they were sent, and nobody waits for somebody else's
reply before sending. A client pool gives neither: it borrows a connection a command, so two
commands race, and it ends at its size (docs/decisions/one-pipelined-connection.md). redis-py opens
the connection and introduces us; from then on packing and parsing are hiredis's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Self

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection

from chunk7.delivery.errors import StoreError, StoreLost, StoreUnreachable
from chunk7.wire.clock import now_ns
from chunk7.wire.store.address import parse_address

MAX_WAITING = 10_000
"""Commands that may wait for a reply at once; more is refused, not queued."""
_CLOSE_WITHIN_S = 0.5


def _nothing() -> None:
    """What is done behind a read that nobody waits for."""


class Link(asyncio.Protocol):
    """A connection and the commands that wait for replies, oldest first.

    With `on_push`, replies are not matched to commands but handed to it as they come, in the
    same loop iteration: that is how a subscription is read. `on_read` is called behind the last
    one that came in the same read, also when one of them was an error that ends the link.
    """

    def __init__(
        self,
        on_push: Callable[[Any], None] | None = None,
        on_read: Callable[[], None] = _nothing,
    ) -> None:
        self._on_push = on_push
        self._on_read = on_read
        self._parser = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done as soon as the connection is gone, for whatever reason."""
        self.heard_ns = 0
        """When the newest data came. Straight after `await link.send(...)`: when the reply came,
        because the event loop runs who waited before it reads again."""

    @classmethod
    async def open(
        cls,
        url: str,
        name: str = "chunk7",
        on_push: Callable[[Any], None] | None = None,
        timeout_s: float = 5.0,
        on_read: Callable[[], None] = _nothing,
    ) -> Self:
        """Connect and introduce ourselves by this name; `url` is any that `--redis` takes.

        Raises UsageError for any other, StoreUnreachable when nobody answers or lets us in.
        """
        address = parse_address(url)
        try:
            async with asyncio.timeout(timeout_s):
                connection = await address.connect(name)
        except TimeoutError as error:
            raise StoreUnreachable(f"no store at {address.place}: TimeoutError") from error
        link = cls(on_push, on_read)
        link._take_over(connection)
        return link

    def _take_over(self, connection: AbstractConnection) -> None:
        """Be the protocol of a connection that redis-py has opened, and have redis-py let go of it.

        All replies to redis-py are read, and nothing else runs in between, so every byte from now
        on comes to us. What is relied on beside documented names is that `_reader` and `_writer`
        are asyncio's streams, and that without them it is closed for redis-py.
        """
        writer = getattr(connection, "_writer", None)
        if not isinstance(writer, asyncio.StreamWriter):
            raise StoreError(
                f"redis {redis.__version__}: its connection has no stream to take over"
            )
        self._writer = writer  # it would close the transport when it is forgotten
        self._transport = writer.transport
        self._transport.set_protocol(self)
        connection._reader = connection._writer = None
        if self._transport.is_closing():
            self.connection_lost(None)

    def send(self, *command: str | bytes | int) -> "asyncio.Future[Any]":
        """Write a command, in this turn of the event loop; the future is its reply.

        The future raises StoreError when the server refuses the command, StoreLost when the
        connection goes first (the command may have been executed). Raises the same at once when
        the connection is gone or MAX_WAITING replies are outstanding.
        """
        return self.send_all(command)[0]

    def send_all(self, *commands: tuple[str | bytes | int, ...]) -> "list[asyncio.Future[Any]]":
        """Write several commands in one go, all of them or none; raises as `send`.

        A transaction must go like this: a MULTI whose EXEC was refused would swallow whatever
        is sent next.
        """
        self._write(commands)
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._waiting.extend(replies)
        return replies

    def push(self, *command: str | bytes | int) -> None:
        """Write a command whose replies go to `on_push`; raises as `send`."""
        self._write((command,))

    def _write(self, commands: tuple[tuple[str | bytes | int, ...], ...]) -> None:
        if self._transport is None or self._transport.is_closing():
            raise StoreLost("the connection to the store is gone")
        if len(self._waiting) + len(commands) > MAX_WAITING:
            raise StoreError(f"more than {MAX_WAITING} commands wait for the store")
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        # hiredis takes any mix of these types; its stub wants a one-tuple.
        self._unsent += map(hiredis.pack_command, commands)  # type: ignore[arg-type]

    def _flush(self) -> None:
        """One system call for all that was asked for in this turn of the event loop."""
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and unsent and not self.lost.done():
            self._transport.write(b"".join(unsent))

    async def close(self) -> None:
        """Disconnect. What still waits gets StoreLost; what a hung server will not take is lost."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
            await asyncio.wait([self.lost], timeout=_CLOSE_WITHIN_S)
            self._transport.abort()
            await asyncio.wait([self.lost])

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        self.heard_ns = now_ns()
        self._parser.feed(data)
        try:
            while (answer := self._parser.gets()) is not False:
                if self._on_push is not None:
                    self._on_push(answer)
                else:
                    _settle(self._waiting.popleft(), answer)
        finally:
            self._on_read()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        while self._waiting:
            _settle(self._waiting.popleft(), StoreLost(f"the store went away: {exc or 'closed'}"))


def _settle(reply: "asyncio.Future[Any]", answer: Any) -> None:
    if reply.done():  # its caller was cancelled
        return
    if isinstance(answer, hiredis.HiredisError):
        reply.set_exception(StoreError(str(answer)))
    elif isinstance(answer, StoreError):
        reply.set_exception(answer)
    else:
        reply.set_result(answer)
