"""A TCP proxy that delays: what the network to a distant store does, in user space.

    python -m chunk7.cluster.deployments.delay_proxy --listen HOST:PORT --to HOST:PORT
        --latency-ms X [--control HOST:PORT [--allow-host NAME]]

Every byte is passed on `latency-ms` after it came in, in each direction, so a round trip grows by
twice that. Bytes keep their order, and many can be under way at once: throughput is that of
loopback, up to MAX_UNDER_WAY_BYTES a latency. An end of stream and a reset are delayed and passed
on like bytes. Opening a connection is not delayed.

At `control`, `PUT /latency` with `{"latency_ms": X}` changes it, for what comes in from then on;
what is under way keeps its time and its place.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chunk7.cluster.options import address, number
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.wire.options import Parser
from chunk7.wire.origins import Origins, add_origins, origins_of
from chunk7.wire.plan import PARAMETERS

if TYPE_CHECKING:
    from aiohttp import web

MAX_UNDER_WAY_BYTES = 16 * 2**20
"""What one direction of one connection holds back; above it the sender is not read from."""

_LATENCY = number("--latency-ms", 0, PARAMETERS["store_latency_ms"].high)
_END, _RESET = b"", None
_LINGER_NOT = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends a reset


class Side(asyncio.Protocol):
    """One of a connection's two sockets. What it receives, `other` sends a latency later."""

    def __init__(self, latency_s: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._latency_s = latency_s
        self._queue: deque[tuple[float, bytes | None]] = deque()  # (due, what to do with `other`)
        self._under_way_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False  # its peer sends no more
        self._end_passed = False  # and the other side's peer has been told
        self._writable = True
        self._transport: asyncio.Transport | None = None
        self.other: Side | None = None

    def join(self, other: "Side") -> None:
        """From now on each passes on to the other; both are connected."""
        self.other, other.other = other, self
        for side in (self, other):
            side._pass_on()
            side._bound()

    def reset(self) -> None:
        """Close at once, and let the peer know that something broke."""
        if self._transport is not None:
            connection: socket.socket = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._transport.abort()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._under_way_bytes += len(data)
        self._enqueue(data)
        self._bound()

    def eof_received(self) -> bool:
        self._ended = True
        self._enqueue(_END)
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or not self._ended:
            self._enqueue(_RESET)
        if self.other is not None:
            self.other._pass_on()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self.other is not None:
            self.other._pass_on()

    # --- the delay ---

    def _enqueue(self, what: bytes | None) -> None:
        self._queue.append((self._loop.time() + self._latency_s(), what))
        if self._timer is None:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the other side what is due, and come back when the next is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        other = self.other
        if other is None:  # not joined yet
            return
        while self._queue and other._writable and self._queue[0][0] <= self._loop.time():
            self._hand_over(other, self._queue.popleft()[1])
        if self._queue and other._writable:
            self._timer = self._loop.call_at(self._queue[0][0], self._pass_on)
        self._bound()

    def _hand_over(self, other: "Side", what: bytes | None) -> None:
        assert self._transport is not None
        assert other._transport is not None
        if what is _RESET:
            other.reset()
        elif what == _END:
            with contextlib.suppress(OSError):  # its peer may be gone already
                other._transport.write_eof()
            self._end_passed = True
            if other._end_passed:
                self._transport.close()
                other._transport.close()
        else:
            assert what is not None
            self._under_way_bytes -= len(what)
            other._transport.write(what)

    def _bound(self) -> None:
        """Read from our peer only while not too much of it is under way."""
        if self._transport is None or self._transport.is_closing() or self._ended:
            return
        if self._under_way_bytes > MAX_UNDER_WAY_BYTES or self.other is None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class Delay:
    """The listening proxy; `latency_ms` may be changed. Keeps tasks, so that none is forgotten."""

    def __init__(self, to: tuple[str, int], latency_ms: float) -> None:
        self._to = to
        self.latency_ms = latency_ms
        self._opening: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Accept connections; raises OSError when the address is taken."""
        return await asyncio.get_running_loop().create_server(self._accept, host, port)

    def _latency_s(self) -> float:
        return self.latency_ms / 1_000

    def _accept(self) -> Side:
        near = Side(self._latency_s)
        task = asyncio.get_running_loop().create_task(self._open(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return near

    async def _open(self, near: Side) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, far = await loop.create_connection(lambda: Side(self._latency_s), *self._to)
        except OSError:
            near.reset()  # as the store itself would have refused
            return
        near.join(far)


async def serve(
    listen: tuple[str, int],
    to: tuple[str, int],
    latency_ms: float,
    stop: asyncio.Event,
    control: tuple[str, int] | None = None,
    origins: Origins | None = None,
) -> None:
    """Delay until `stop`. Raises Chunk7Error when an address is taken.

    `origins` says whose requests the control takes; by default what its host says.
    """
    delay = Delay(to, latency_ms)
    async with contextlib.AsyncExitStack() as until_stopped:
        address = listen
        try:
            until_stopped.callback((await delay.listen(*listen)).close)
            if control is not None:
                address = control
                allowed = origins or origins_of(control[0])
                runner = await _controlled(delay, control, allowed)
                until_stopped.push_async_callback(runner.cleanup)
        except OSError as error:
            place = f"{address[0]}:{address[1]}"
            raise Chunk7Error(f"cannot listen on {place}: {error.strerror}") from error
        await stop.wait()


async def _controlled(delay: Delay, address: tuple[str, int], origins: Origins) -> "web.AppRunner":
    """Serve `PUT /latency`; raises OSError when the address is taken."""
    from aiohttp import web  # a second to import, which most delays do without

    from chunk7.wire.guard import guard

    async def put_latency(request: web.Request) -> web.Response:
        try:
            delay.latency_ms = _LATENCY(str((await request.json())["latency_ms"]))
        except (UsageError, ValueError, KeyError, TypeError) as error:
            return web.Response(status=400, text=f"{error}\n")
        return web.Response(status=204)

    application = web.Application(middlewares=[guard(origins)])
    application.router.add_put("/latency", put_latency)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, *address).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def main() -> int:
    """The process's command line."""
    parser = Parser(
        prog="python -m chunk7.cluster.deployments.delay_proxy", description="A delaying TCP proxy."
    )
    parser.add_argument("--listen", type=address("--listen"), required=True, metavar="HOST:PORT")
    parser.add_argument("--to", type=address("--to"), required=True, metavar="HOST:PORT")
    parser.add_argument("--latency-ms", type=_LATENCY, required=True, metavar="X")
    parser.add_argument("--control", type=address("--control"), metavar="HOST:PORT")
    add_origins(parser)
    try:
        args = parser.parse_args()
        asyncio.run(_until_terminated(args))
    except Chunk7Error as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_code
    return 0


async def _until_terminated(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number_ in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number_, stop.set)
    origins = origins_of(args.control[0], args) if args.control else None
    await serve(args.listen, args.to, args.latency_ms, stop, args.control, origins)


if __name__ == "__main__":
    sys.exit(main())
