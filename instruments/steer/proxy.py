"""A proxy before a Redis-protocol server, whose interceptor may hold any command, reply or message.

Without an interceptor bytes pass unparsed. With one every frame's end is found, and nothing of a
byte is changed, ever. AUTH, HELLO, RESP 2 and 3, MULTI, scripts, blocking commands and Pub/Sub
pass as they are. After CLIENT REPLY, MONITOR, SYNC and what is no RESP a connection passes
unparsed; `ProxiedConnection.unseen` says why.
"""

import asyncio
import ssl
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.connection import Interceptor, Passage, ProxiedConnection, Push, Reply
from chunk7.instruments.steer.gate import Way
from chunk7.wire.store.address import PORT, StoreAddress, parse_address

__all__ = ["Interceptor", "Passage", "ProxiedConnection", "Proxy", "Push", "Reply"]

MAX_CONNECTIONS = 10_000
CONNECT_WITHIN_S = 5.0
_CLOSE_WITHIN_S = 1.0


class Proxy:
    """Listens while its block lasts.

    >>> async with Proxy("redis://127.0.0.1:6379/0", interceptor) as proxy:
    ...     application = start(REDIS_URL=proxy.url)

    store_url: any of `--redis` but Sentinel. listen: host and port, 0 for any that is free. tls: of
    the listening side. Raises UsageError, also if it cannot listen there.
    """

    def __init__(
        self,
        store_url: str,
        interceptor: Interceptor | None,
        *,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._store_url = store_url
        self._address = one_address(store_url)
        self._store_tls = _tls(self._address)
        self._interceptor = interceptor
        self._listen = listen
        self.tls = tls
        self._server: asyncio.Server | None = None
        self._count = 0
        self.connections: dict[int, ProxiedConnection] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        host, port = self._listen
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _AppSide(self), host, port, ssl=self.tls
            )
        except OSError as error:
            raise UsageError(f"--listen {host}:{port}: {error.strerror or error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None, "the block was entered"
        self._server.close()
        for connection in list(self.connections.values()):
            connection.cut()
        for task in self.tasks:
            task.cancel()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """The store's URL, user, password and database included, with the proxy's address."""
        assert self._server is not None, "it listens only within its block"
        host, port = self._server.sockets[0].getsockname()[:2]
        parts = urlsplit(self._store_url)
        login, at, _ = parts.netloc.rpartition("@")
        scheme = "rediss" if self.tls else "redis"
        where = f"[{host}]" if ":" in host else host
        path = f"/{self._address.options.get('db', 0)}"
        kept = [one for one in parse_qsl(parts.query) if one[0] in ("username", "password")]
        return urlunsplit((scheme, f"{login}{at}{where}:{port}", path, urlencode(kept), ""))

    @property
    def shown_url(self) -> str:
        """The same without a password."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))

    async def connect(self, side: "_StoreSide") -> None:
        """Open the store's side of a connection. Raises OSError."""
        loop, options = asyncio.get_running_loop(), self._address.options
        async with asyncio.timeout(CONNECT_WITHIN_S):
            if "path" in options:
                await loop.create_unix_connection(lambda: side, options["path"])
                return
            await loop.create_connection(
                lambda: side, options["host"], options.get("port", PORT), ssl=self._store_tls
            )

    def begin(self) -> ProxiedConnection | None:
        """A new connection; None if there are too many."""
        if len(self.connections) >= MAX_CONNECTIONS:
            return None
        self._count += 1
        connection = ProxiedConnection(self._count, self._interceptor, self._end)
        self.connections[connection.number] = connection
        return connection

    def _end(self, connection: ProxiedConnection) -> None:
        self.connections.pop(connection.number, None)


def one_address(store_url: str) -> StoreAddress:
    """Where the store is. Raises UsageError, also for Sentinel."""
    address = parse_address(store_url)
    if address.service:
        raise UsageError("--redis: Sentinel names addresses of its own; give the primary's URL")
    return address


def _tls(address: StoreAddress) -> ssl.SSLContext | None:
    """That of the store's side. Raises UsageError."""
    address.check_certificates()
    connection: Any = address.kind(**address.options)
    context: Any = getattr(connection, "ssl_context", None)
    return None if context is None else context.get()


class _Side(asyncio.Protocol):
    """One socket of a connection. Its bytes go `away`, and what comes to it comes by `here`."""

    away: Way
    here: Way

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "it is a socket's"
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.away.feed(data)

    def pause_writing(self) -> None:
        self.here.fill(True)

    def resume_writing(self) -> None:
        self.here.fill(False)


class _AppSide(_Side):
    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self._proxy = proxy
        self._connection: ProxiedConnection | None = None
        self._store: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = self._proxy.begin()
        assert self.transport is not None, "it was made"
        if connection is None:
            self.transport.abort()
            return
        self._connection = connection
        self.away, self.here = connection.to_store, connection.to_app
        self.transport.pause_reading()  # until there is somebody to pass it to
        task = asyncio.get_running_loop().create_task(self._connect(connection, self.transport))
        self._proxy.tasks.add(task)
        task.add_done_callback(self._proxy.tasks.discard)

    async def _connect(self, connection: ProxiedConnection, app: asyncio.Transport) -> None:
        side = _StoreSide(connection, app)
        try:
            await self._proxy.connect(side)
        except (OSError, TimeoutError):
            app.abort()
            return
        assert side.transport is not None, "it is connected"
        self._store = side.transport
        if app.is_closing():
            self._store.close()
            return
        connection.address = _name_of(self._store)
        app.resume_reading()

    def eof_received(self) -> bool:
        """It sends no more, but may still read. Over TLS there is no such thing."""
        if self._store is None or self._proxy.tls is not None:
            return False
        self.away.end()
        if self._store.can_write_eof():
            self._store.write_eof()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is None:
            return
        self.away.end()
        if self._store is not None:
            self._store.close()  # after what is on its way
        self._connection.end()


class _StoreSide(_Side):
    def __init__(self, connection: ProxiedConnection, app: asyncio.Transport) -> None:
        super().__init__()
        self._connection = connection
        self._app = app
        self.away, self.here = connection.to_app, connection.to_store

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None, "it was made"
        self.away.source = self.here.sink = self.transport
        self.here.source = self.away.sink = self._app

    def connection_lost(self, exc: Exception | None) -> None:
        self.away.end()
        self._app.close()
        self._connection.end()


def _name_of(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("sockname")
    if isinstance(name, str):
        return name
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
