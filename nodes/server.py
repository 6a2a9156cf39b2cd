"""The clients' side: HTTP and WebSocket on one port, up to where a client's visit begins."""

import asyncio
from collections.abc import Awaitable
from functools import partial

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from chunk7.delivery.errors import UsageError
from chunk7.nodes.demo.handler import ANSWER, PAGE, DemoHandler
from chunk7.nodes.door import Door
from chunk7.nodes.listening import ACCEPTED_AT_ONCE, tune
from chunk7.nodes.metrics import CONTENT_TYPE
from chunk7.nodes.request import PREFIX, parse_request
from chunk7.nodes.transports.connection import NodeConnection
from chunk7.nodes.transports.websocket import CLOSE_TIMEOUT_S, text_frame
from chunk7.nodes.visit import ClientVisit, Services
from chunk7.wire.frames import ErrorFrame, encode
from chunk7.wire.tokens import BadToken, NoToken

MAX_FRAME_BYTES = 4_096
HANDSHAKE_TIMEOUT_S = 5.0
"""How long a handshake may take, from the connection on, its request's last byte included."""
_STATUS: dict[type[UsageError], int] = {NoToken: 401, BadToken: 403}
"""Of other errors it is 400."""


class NodeServer:
    """Accepts clients, or says why not; answers plain HTTP."""

    def __init__(self, services: Services) -> None:
        self.draining = False
        self.door = Door(services.options.max_clients)
        self._services = services
        self._demo = DemoHandler(services.options)

    async def listen(self) -> Server:
        """Begin to accept; raises OSError when the address cannot be had."""
        server = await serve(
            self._handle,
            self._services.options.host,
            self._services.options.port,
            process_request=self._let_in,
            process_response=_end_what_has_ended,
            create_connection=partial(NodeConnection, self.door),  # type: ignore[arg-type]
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=HANDSHAKE_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            backlog=ACCEPTED_AT_ONCE,
        )
        tune(server.sockets)
        return server

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
        self, connection: ServerConnection, request: Request
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
        self, connection: ServerConnection, request: Request
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

    def _metrics_page(self, connection: ServerConnection) -> Response:
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

    async def _handle(self, connection: ServerConnection) -> None:
        """A connection's whole life."""
        if self.draining:  # since the handshake began
            await connection.close(1012, "drain")
            return
        assert connection.request is not None
        if connection.request.path.partition("?")[0] == ANSWER:
            await self._demo.take_order(connection)
            return
        request = parse_request(connection.request.path, self._services.options)
        assert isinstance(connection, NodeConnection)
        await ClientVisit(self._services, connection, request).run()


async def _end_what_has_ended(
    connection: ServerConnection, _request: Request, _response: Response
) -> None:
    """Give up a connection that frames behind its request, sent too early, have ended already.

    websockets would answer it all the same, fail an assertion, and log that with a traceback.
    """
    if connection.protocol.eof_sent:
        connection.transport.abort()
        await connection.wait_closed()
