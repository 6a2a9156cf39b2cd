"""The clients' side: HTTP and WebSocket on one port, up to where a client's visit begins."""

import asyncio
import logging
from collections.abc import Awaitable

from websockets.http11 import Request, Response

from chunk7.delivery.errors import UsageError
from chunk7.nodes.demo.handler import ANSWER, PAGE, DemoHandler
from chunk7.nodes.door import Door
from chunk7.nodes.listening import ACCEPTED_AT_ONCE, tune
from chunk7.nodes.metrics import CONTENT_TYPE
from chunk7.nodes.request import PREFIX, parse_request
from chunk7.nodes.transports.connection import NodeConnection
from chunk7.nodes.transports.reading import read_buffer
from chunk7.nodes.transports.websocket import text_frame
from chunk7.nodes.visit import ClientVisit, Services
from chunk7.wire.frames import ErrorFrame, encode
from chunk7.wire.tokens import BadToken, NoToken

PING_EVERY_S = 20.0
"""A client that has not answered by the next is given up: a vanished host closes no connection."""
PINGED_AT_ONCE = 64
_LOG = logging.getLogger("chunk7.nodes")
_STATUS: dict[type[UsageError], int] = {NoToken: 401, BadToken: 403}
"""Of other errors it is 400."""


class NodeServer:
    """Accepts clients, or says why not; answers plain HTTP."""

    def __init__(self, services: Services) -> None:
        self.draining = False
        self.door: Door[NodeConnection] = Door(services.options.max_clients)
        self._services = services
        self._demo = DemoHandler(services.options)
        self._visits: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        """Begin to accept; raises OSError when the address cannot be had."""
        let_in, begin = self._let_in, self._begin  # bound once, not for each connection
        read_into = read_buffer()
        server = await asyncio.get_running_loop().create_server(
            lambda: NodeConnection(self.door, let_in, begin, read_into),
            self._services.options.host,
            self._services.options.port,
            backlog=ACCEPTED_AT_ONCE,
        )
        tune(server.sockets)
        return server

    async def keep_alive(self) -> None:
        """Ping every client now and then, for ever; spread evenly, as heartbeats are."""
        while True:
            clients = self.door.clients()
            batches = range(0, max(1, len(clients)), PINGED_AT_ONCE)
            for begin in batches:
                await asyncio.sleep(PING_EVERY_S / len(batches))
                for client in clients[begin : begin + PINGED_AT_ONCE]:
                    client.check_alive()

    async def cut(self) -> None:
        """Cut off whoever is still here, and wait until what they began has ended."""
        for connection in self.door.everybody():
            connection.transport.abort()
        if self._visits:
            await asyncio.wait(self._visits)

    def refusal(self) -> str | None:
        """Why no client is accepted just now; None when they are."""
        down, options = self._services.backend.down, self._services.options
        if self.draining:
            return "the node drains"
        if down.done():
            return f"the store is away: {down.result()}"
        if self.door.full:
            return f"the node has its {options.max_clients} clients"
        return None

    def tell_all(self, code: str, reason: str) -> None:
        """An error frame to every client that has joined."""
        frame = text_frame(encode(ErrorFrame(code, reason)))
        for client in self._services.roster.joined():
            client.write(frame)

    def _let_in(
        self, connection: NodeConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """The answer to a request; None for a handshake that goes on, which is counted."""
        response = self._process_request(connection, request)
        if response is None:
            refusal = self.refusal()
            if refusal is not None:
                return connection.respond(503, f"{refusal}\n")
            self.door.admit(connection)
        return response

    def _process_request(
        self, connection: NodeConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """Answer plain HTTP; None lets a WebSocket handshake go on."""
        path = request.path.partition("?")[0]
        if path == ANSWER or path.startswith(PREFIX):
            foreign = self._services.options.origins.refusal(request.headers.raw_items())
            if foreign is not None:
                return connection.respond(403, f"{foreign}\n")
        if path == PAGE or path.startswith(f"{PAGE}/"):
            return self._demo.respond(connection, request)
        if path == "/metrics":
            return self._metrics_page(connection)
        if path != "/healthz" and not path.startswith(PREFIX):
            return connection.respond(
                404, f"there are /healthz, /metrics, {PAGE} and {PREFIX}SESSION\n"
            )
        if path != "/healthz":
            try:
                self._check_join(request)
            except UsageError as error:
                return connection.respond(_STATUS.get(type(error), 400), f"{error}\n")
        refusal = self.refusal()
        if refusal is not None:
            return connection.respond(503, f"{refusal}\n")
        return connection.respond(200, "ok\n") if path == "/healthz" else None

    def _check_join(self, request: Request) -> None:
        """Raise UsageError for a join that cannot be, NoToken or BadToken for one that may not."""
        options = self._services.options
        authorization = " ".join(request.headers.get_all("Authorization"))
        join = parse_request(request.path, options, authorization)
        if options.tokens is not None:
            options.tokens.check(join.session_id, join.token)

    def _metrics_page(self, connection: NodeConnection) -> Response:
        services, metrics = self._services, self._services.metrics
        metrics.clients.set(len(services.roster.everybody))
        metrics.connections.set(len(self.door))
        metrics.history_bytes.set(services.budget.used_bytes)
        metrics.channels.set(services.hub.channels)
        metrics.streams.set(services.tail.streams)
        metrics.tasks.set(len(asyncio.all_tasks()))
        metrics.store_up.set(not services.backend.down.done())
        response = connection.respond(200, metrics.text().decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    def _begin(self, connection: NodeConnection) -> None:
        visit = asyncio.create_task(self._handle(connection))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _handle(self, connection: NodeConnection) -> None:
        """A connection's whole life."""
        try:
            await self._serving(connection)
        except Exception:
            _LOG.exception("a visit failed")
            await connection.close(1011)
        else:
            await connection.close(1000)

    def _serving(self, connection: NodeConnection) -> Awaitable[None]:
        """What is awaited for it, without a coroutine of its own around that."""
        if self.draining:  # since the handshake began
            return connection.close(1012, "drain")
        assert connection.target is not None
        if connection.target.partition("?")[0] == ANSWER:
            return self._demo.take_order(connection)
        request = parse_request(connection.target, self._services.options)
        return ClientVisit(self._services, connection, request).run()
