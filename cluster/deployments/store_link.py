"""The passage of nodes and producer to the store, which can be tampered with node by node.

    python -m chunk7.cluster.deployments.store_link --listen HOST:PORT --to HOST:PORT
        [--replica HOST:PORT] --control HOST:PORT [--allow-host NAME]

Bytes pass as they are. Whose they are is known from CLIENT SETNAME, which every process of ours
sends: `node-1`, `node-1-subscriptions`, `node-1-reader`. What `PUT /parts/NAME` says of a node:

    {"cut": true}     nothing passes in either direction, and no connection is closed
    {"deaf": true}    published messages are dropped; confirmations and pings pass
    {"stale": true}   the node's commands, all of them reads, go to the replica

`PUT /store` with {"to": "HOST:PORT", "replica": "HOST:PORT"} closes every connection; later ones go
to the new address. That is what clients see of a failover behind one name.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from aiohttp import web

from chunk7.cluster.options import address
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.instruments.steer.resp import ProtocolFault, Scanner
from chunk7.wire.guard import guard
from chunk7.wire.options import Parser
from chunk7.wire.origins import Origins, add_origins, origins_of

Address = tuple[str, int]
Change = TypeVar("Change", bound=msgspec.Struct)
MAX_HELD_BYTES = 16 * 2**20
"""What one direction of one connection holds back; above it nobody is read from."""
CONNECT_WITHIN_S = 5.0
_SUBSCRIPTIONS = "-subscriptions"
_ENDINGS = (_SUBSCRIPTIONS, "-reader")


@dataclass(frozen=True, slots=True)
class PartState:
    """What is done to one node's connections."""

    cut: bool = False
    deaf: bool = False
    stale: bool = False


UNTOUCHED = PartState()


class StoreChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /store`."""

    to: str
    replica: str | None = None


class PartChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `PUT /parts/NAME`; what is left out stays."""

    cut: bool | None = None
    deaf: bool | None = None
    stale: bool | None = None


class RespFrames:
    """Cuts one direction's bytes into whole frames of RESP."""

    def __init__(self, inline: bool = False) -> None:
        self._scanner = Scanner(inline, most_parts=3)
        self._begun = bytearray()

    def whole(self, data: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
        """Each frame that is complete now, with its first parts. Raises ProtocolFault."""
        at = 0
        while at < len(data):
            end = self._scanner.scan(data, at)
            if end < 0:
                self._begun += data[at:]
                return
            yield bytes(self._begun) + data[at:end], self._scanner.frame.parts
            self._begun.clear()
            at = end


class StoreSide(asyncio.Protocol):
    """A connection to the store, or to its replica, for one client."""

    def __init__(self, passage: "StorePassage") -> None:
        self._passage = passage
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "it is a socket's"
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._passage.from_store(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._passage.end()

    def pause_writing(self) -> None:
        self._passage.pause_client()

    def resume_writing(self) -> None:
        self._passage.resume_client()


class StorePassage(asyncio.Protocol):
    """One client's connection, whole frames at a time, to the store or its replica.

    Commands go to one of the two, and to the other only when every reply has come: so replies keep
    the order of the commands.
    """

    def __init__(self, link: "StoreLink") -> None:
        self._link = link
        self._client: asyncio.Transport | None = None
        self._sides: dict[bool, StoreSide] = {}
        self._stale = False
        self._commands, self._replies = RespFrames(inline=True), RespFrames()
        self._to_store: deque[bytes] = deque()
        self._to_client: deque[bytes] = deque()
        self._held_bytes = 0
        self._waiting = 0
        self.name = ""

    @property
    def part(self) -> str:
        """The process whose connection it is, as far as it has said."""
        for ending in _ENDINGS:
            if self.name.endswith(ending):
                return self.name.removesuffix(ending)
        return self.name

    # --- the client's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "it is a socket's"
        self._client = transport
        transport.pause_reading()
        self._link.begin(self)

    def data_received(self, data: bytes) -> None:
        try:
            for frame, parts in self._commands.whole(data):
                if [part.upper() for part in parts[:2]] == [b"CLIENT", b"SETNAME"] and parts[2:]:
                    self.name = parts[2].decode(errors="replace")
                self._hold(self._to_store, frame)
        except ProtocolFault:
            self.end()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end()

    def end(self) -> None:
        """Both sides are over as soon as one is."""
        self._link.passages.discard(self)
        for side in self._sides.values():
            if side.transport is not None:
                side.transport.abort()
        if self._client is not None:
            self._client.abort()

    def pause_client(self) -> None:
        """Nothing more is read from the client."""
        if self._client is not None and not self._client.is_closing():
            self._client.pause_reading()

    def resume_client(self) -> None:
        """It is read from again, unless too much is held."""
        if self._client is not None and not self._client.is_closing() and self._sides:
            self._client.resume_reading()

    # --- the store's side ---

    def open(self, side: StoreSide, stale: bool) -> None:
        """A connection to the store, or to its replica, is there."""
        self._sides[stale] = side
        if not stale:
            self.resume_client()
        self.flush()

    def from_store(self, data: bytes) -> None:
        """Replies and messages; messages to a deaf node go no further."""
        try:
            for frame, parts in self._replies.whole(data):
                self._take(frame, parts)
        except ProtocolFault:
            self.end()
        self.flush()

    def _take(self, frame: bytes, parts: list[bytes]) -> None:
        pushed = self.name.endswith(_SUBSCRIPTIONS)
        if not pushed:
            self._waiting -= 1
        unheard = pushed and parts[:1] == [b"message"] and self._link.state(self.part).deaf
        if not unheard:
            self._hold(self._to_client, frame)

    def _hold(self, way: deque[bytes], frame: bytes) -> None:
        way.append(frame)
        self._held_bytes += len(frame)
        if self._held_bytes > MAX_HELD_BYTES:  # whoever sends so much into a cut
            self.end()

    def flush(self) -> None:
        """Pass on what may pass now."""
        state = self._link.state(self.part)
        if state.cut or self._client is None:
            return
        while self._to_client:
            frame = self._to_client.popleft()
            self._held_bytes -= len(frame)
            self._client.write(frame)
        wanted = state.stale and bool(self.name) and self.name == self.part
        while self._to_store:
            if self._stale is not wanted and self._waiting:
                return
            self._stale = wanted
            side = self._sides.get(wanted)
            if side is None or side.transport is None:
                self._link.connect(self, wanted)
                return
            frame = self._to_store.popleft()
            self._held_bytes -= len(frame)
            if not self.name.endswith(_SUBSCRIPTIONS):
                self._waiting += 1
            side.transport.write(frame)


class StoreLink:
    """The listening passage: where the store is, and what is done to whom."""

    def __init__(self, to: Address, replica: Address | None) -> None:
        self._to, self._replica = to, replica
        self._parts: dict[str, PartState] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self.passages: set[StorePassage] = set()

    def state(self, part: str) -> PartState:
        """What is done to this part."""
        return self._parts.get(part, UNTOUCHED)

    def change(self, part: str, change: PartChange) -> None:
        """Do this to a part from now on. Raises UsageError for a replica that is not there."""
        if change.stale and self._replica is None:
            raise UsageError("stale: there is no replica")
        given = msgspec.structs.asdict(change)
        said = {name: value for name, value in given.items() if value is not None}
        self._parts[part] = replace(self.state(part), **said)
        for passage in list(self.passages):
            if passage.part == part:
                passage.flush()

    def move(self, to: Address, replica: Address | None) -> None:
        """If the store is elsewhere, all that is open ends."""
        moved, self._to, self._replica = to != self._to, to, replica
        for passage in list(self.passages) if moved else ():
            passage.end()

    async def listen(self, host: str, port: int) -> asyncio.Server:
        """Accept connections; raises OSError when the address is taken."""
        return await asyncio.get_running_loop().create_server(
            lambda: StorePassage(self), host, port
        )

    def begin(self, passage: StorePassage) -> None:
        """A client has connected."""
        self.passages.add(passage)
        self.connect(passage, stale=False)

    def connect(self, passage: StorePassage, stale: bool) -> None:
        """Open a way for a client; one that cannot be opened ends it."""
        task = asyncio.get_running_loop().create_task(self._connect(passage, stale))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, passage: StorePassage, stale: bool) -> None:
        place = self._replica if stale else self._to
        side = StoreSide(passage)
        try:
            assert place is not None, "`change` has seen to it"
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await asyncio.get_running_loop().create_connection(lambda: side, *place)
        except (OSError, TimeoutError):
            passage.end()  # as the store itself would have refused
            return
        passage.open(side, stale)


def application(link: StoreLink, origins: Origins) -> web.Application:
    """The control; `origins` says whose requests it takes."""

    async def put_part(request: web.Request) -> web.Response:
        return await _changed(
            request, PartChange, lambda change: link.change(request.match_info["name"], change)
        )

    async def put_store(request: web.Request) -> web.Response:
        place = address("to")
        return await _changed(
            request,
            StoreChange,
            lambda change: link.move(
                place(change.to), None if change.replica is None else place(change.replica)
            ),
        )

    found = web.Application(middlewares=[guard(origins)])
    found.router.add_put("/parts/{name}", put_part)
    found.router.add_put("/store", put_store)
    return found


async def _changed(
    request: web.Request, kind: type[Change], change: Callable[[Change], None]
) -> web.Response:
    try:
        change(msgspec.json.decode(await request.read(), type=kind))
    except (msgspec.MsgspecError, UsageError) as error:
        return web.Response(status=400, text=f"{error}\n")
    return web.Response(status=204)


async def serve(
    link: StoreLink, listen: Address, control: Address, origins: Origins, stop: asyncio.Event
) -> None:
    """Pass on until `stop`. Raises Chunk7Error when an address is taken."""
    runner = web.AppRunner(application(link, origins), access_log=None)
    await runner.setup()
    where = listen
    async with contextlib.AsyncExitStack() as until_stopped:
        until_stopped.push_async_callback(runner.cleanup)
        try:
            until_stopped.callback((await link.listen(*listen)).close)
            where = control
            await web.TCPSite(runner, *control).start()
        except OSError as error:
            raise Chunk7Error(
                f"cannot listen on {where[0]}:{where[1]}: {error.strerror}"
            ) from error
        await stop.wait()


def main() -> int:
    """The process's command line."""
    parser = Parser(
        prog="python -m chunk7.cluster.deployments.store_link", description="A passage to a store."
    )
    for option, required in (
        ("--listen", True),
        ("--to", True),
        ("--replica", False),
        ("--control", True),
    ):
        parser.add_argument(option, type=address(option), required=required, metavar="HOST:PORT")
    add_origins(parser)
    try:
        asyncio.run(_until_terminated(parser.parse_args()))
    except Chunk7Error as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return error.exit_code
    return 0


async def _until_terminated(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    origins = origins_of(args.control[0], args)
    await serve(StoreLink(args.to, args.replica), args.listen, args.control, origins, stop)


if __name__ == "__main__":
    sys.exit(main())
