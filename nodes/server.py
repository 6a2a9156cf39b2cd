"""The clients' side: HTTP and WebSocket on one port, from the connect URL to the last frame."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chunk7.delivery.errors import Chunk7Error, StoreError, UsageError
from chunk7.delivery.ordering import ConnectSteps, Join
from chunk7.nodes.answers import answer
from chunk7.nodes.backend import Backend
from chunk7.nodes.demo.handler import ANSWER, PAGE, Desk
from chunk7.nodes.feeds.pubsub import Hub
from chunk7.nodes.feeds.stream import Tail
from chunk7.nodes.join import Driver
from chunk7.nodes.metrics import CONTENT_TYPE, Metrics
from chunk7.nodes.options import Options
from chunk7.nodes.request import PREFIX, JoinRequest, parse_request
from chunk7.nodes.roster import Roster
from chunk7.nodes.transports.websocket import CLOSE_TIMEOUT_S, Client, text_frame
from chunk7.wire.clock import now_ns
from chunk7.wire.demo import is_demo
from chunk7.wire.frames import ErrorFrame, decode_client_frame, encode
from chunk7.wire.records import Recorder

JOIN_TIMEOUT_S = 30.0
"""Longest join: two longest pauses and the store's own time-outs fit in."""
MAX_BAD_FRAMES = 10
MAX_FRAME_BYTES = 4_096
BACKLOG = 1_024

_FAILURES = (Chunk7Error, msgspec.MsgspecError, OSError)
"""What driving an ordering may raise; anything else is a bug of ours."""


class Edge:
    """Accepts clients, runs their ordering, answers their frames, records both ends."""

    def __init__(
        self,
        options: Options,
        backend: Backend,
        hub: Hub,
        tail: Tail,
        roster: Roster,
        recorder: Recorder,
        metrics: Metrics,
    ) -> None:
        self.draining = False
        self._options = options
        self._backend = backend
        self._hub = hub
        self._tail = tail
        self._roster = roster
        self._recorder = recorder
        self._metrics = metrics
        self._desk = Desk(options)

    async def listen(self) -> Server:
        """Begin to accept; raises OSError when the address cannot be had."""
        return await serve(
            self._handle,
            self._options.host,
            self._options.port,
            process_request=self._process_request,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            close_timeout=CLOSE_TIMEOUT_S,
            backlog=BACKLOG,
        )

    def refusal(self) -> str | None:
        """Why no client is accepted just now; None when they are."""
        if self.draining:
            return "the node drains"
        if self._backend.down.done():
            return f"the store is away: {self._backend.down.result()}"
        if len(self._roster.everybody) >= self._options.max_clients:
            return f"the node has its {self._options.max_clients} clients"
        return None

    # --- HTTP ---

    def _process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """Answer plain HTTP; None lets a WebSocket handshake go on."""
        path = request.path.partition("?")[0]
        if path == PAGE or path.startswith(f"{PAGE}/"):
            return self._desk.respond(connection, request)
        if path == "/metrics":
            return self._metrics_page(connection)
        if path != "/healthz" and not path.startswith(PREFIX):
            return connection.respond(
                404, f"there are /healthz, /metrics, {PAGE} and {PREFIX}SESSION\n"
            )
        if path != "/healthz":
            try:
                parse_request(request.path, self._options)
            except UsageError as error:
                return connection.respond(400, f"{error}\n")
        refusal = self.refusal()
        if refusal is not None:
            return connection.respond(503, f"{refusal}\n")
        return connection.respond(200, "ok\n") if path == "/healthz" else None

    def _metrics_page(self, connection: ServerConnection) -> Response:
        self._metrics.clients.set(len(self._roster.everybody))
        self._metrics.channels.set(self._hub.channels)
        self._metrics.streams.set(self._tail.streams)
        self._metrics.store_up.set(not self._backend.down.done())
        response = connection.respond(200, self._metrics.text().decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    # --- WebSocket ---

    async def _handle(self, connection: ServerConnection) -> None:
        """A connection's whole life."""
        accepted_ns = now_ns()
        if self.draining:  # since the handshake began
            await connection.close(1012, "drain")
            return
        assert connection.request is not None
        if connection.request.path.partition("?")[0] == ANSWER:
            await self._desk.take_order(connection)
            return
        request = parse_request(connection.request.path, self._options)
        client = Client(
            connection,
            random.getrandbits(63) if request.connection_id is None else request.connection_id,
            request.session_id,
            self._options.max_outbox_kb * 1024,
            self._on_slow,
        )
        driver = self._driver(client, request)
        self._roster.arrive(client)
        try:
            if await self._join(client, request, driver, accepted_ns):
                self._roster.join(client)
                await self._converse(client, request, connection)
        finally:
            self._leave(client, driver)

    def _driver(self, client: Client, request: JoinRequest) -> Driver:
        return Driver(
            client,
            self._backend,
            self._hub,
            self._tail,
            self._options.name,
            request.ordering,
            request.work_ms,
        )

    async def _join(
        self, client: Client, request: JoinRequest, driver: Driver, accepted_ns: int
    ) -> bool:
        """Run the connect ordering and record it; false when it failed and the client is closed."""
        join = Join(request.session_id, request.after_seq)
        error = await _failure(driver.join(join))
        name = request.ordering.name
        self._record(
            client,
            "joins",
            connection_id=client.connection_id,
            session_id=request.session_id,
            user_id=request.user_id,
            node=self._options.name,
            connect=name,
            after_seq=request.after_seq,
            accepted_ns=accepted_ns,
            error=error,
            **vars(driver.facts),
        )
        self._metrics.joins.labels(name, "failed" if error else "joined").inc()
        self._metrics.join_seconds.labels(name).observe((now_ns() - accepted_ns) / 1e9)
        window_s = driver.window_s()
        if error is None and window_s is not None:
            self._metrics.observe_window(name, window_s)
        if error is not None:
            _tell(client, "join_failed", error)
            await client.close(1011, "join_failed")
        return error is None

    async def _converse(
        self, client: Client, request: JoinRequest, connection: ServerConnection
    ) -> None:
        """Answer the client's frames, one after the other, until it is gone.

        Frames that come meanwhile wait in the connection's own short queue, and then in the
        client's: nothing grows here, however much it asks.
        """
        bad_frames = 0
        try:
            async for message in connection:
                if isinstance(message, bytes):
                    await client.close(1003, "text frames only")
                    return
                try:
                    steps = answer(decode_client_frame(message.encode()), request.ordering.feed)
                except (UsageError, msgspec.MsgspecError) as error:
                    bad_frames += 1
                    self._metrics.bad_frames.inc()
                    _tell(client, "bad_frame", str(error))
                    if bad_frames >= MAX_BAD_FRAMES:
                        await client.close(1008, "too many bad frames")
                        return
                    continue
                await self._answer(client, request, steps)
        except ConnectionClosed:
            pass  # how it ended is recorded by _leave

    async def _answer(self, client: Client, request: JoinRequest, steps: ConnectSteps) -> None:
        client.fetch_count += 1
        self._metrics.fetches.inc()
        error = await _failure(self._driver(client, request).drive(steps))
        if error is not None:
            _tell(client, "fetch_failed", error)

    def _leave(self, client: Client, driver: Driver) -> None:
        self._hub.leave(client)
        self._tail.leave(client)
        self._roster.leave(client)
        close_code, close_reason = client.ended
        self._record(
            client,
            "leaves",
            connection_id=client.connection_id,
            node=self._options.name,
            subscribe_confirmed_ns=driver.subscribed_ns(),
            first_live_ns=client.first_live_ns,
            live_count=client.live_count,
            fetch_count=client.fetch_count,
            ended_ns=now_ns(),
            close_code=close_code,
            close_reason=close_reason,
        )

    def _on_slow(self, client: Client) -> None:
        self._metrics.slow_clients.inc()
        self._record(
            client,
            "events",
            at_ns=now_ns(),
            kind="slow_client",
            session_id=client.session_id,
            detail=f"connection {client.connection_id}",
        )

    def _record(self, client: Client, table: str, **row: Any) -> None:
        """Write a row down, unless it is of the page, which must not be taken for a test's."""
        if not is_demo(client.session_id):
            self._recorder.add(table, **row)

    def tell_all(self, code: str, reason: str) -> None:
        """An error frame to every client that has joined."""
        frame = text_frame(encode(ErrorFrame(code, reason)))
        for client in self._roster.joined():
            client.write(frame)


def _tell(client: Client, code: str, reason: str) -> None:
    client.write(text_frame(encode(ErrorFrame(code, reason))))


async def _failure(driving: Awaitable[None]) -> str | None:
    """Drive to the end; None, or in one line why that failed."""
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            await driving
    except TimeoutError:
        return f"it took longer than {JOIN_TIMEOUT_S:g} s"
    except StoreError as error:
        return f"the store: {error}"
    except _FAILURES as error:
        return f"{type(error).__name__}: {error}"
    return None
