"""Where the store is and how to get in: what a URL of `--redis` means (docs/command-line.md).

TCP, TLS, Unix sockets, users and Sentinel are redis-py's. A URL may hold secrets, so nothing here
repeats one: what is said names the store by its `place`.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    RedisError,
    ResponseError,
)

from chunk7.delivery.errors import StoreUnreachable, UsageError

FORMS = (
    "redis://HOST:PORT/DB, rediss://HOST:PORT/DB, unix:///PATH?db=DB "
    "or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"
)
PORT, SENTINEL_PORT = 6379, 26379
SENTINEL_WITHIN_S = 1.0
"""How long one sentinel may take before the next is asked."""

_SENTINEL = "+sentinel"
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_POOLS_OWN = ("max_connections", "timeout")
"""Options of a URL that are a pool's and no connection's: for `pooled_client` alone."""
_LOGIN = ("username", "password")
_SOCKET = ("socket_connect_timeout", "socket_timeout", "socket_keepalive")
_TLS = tuple(n for n in inspect.signature(SSLConnection).parameters if n.startswith("ssl_"))
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[a-z_]{1,40}")
"""Of an option; what looks otherwise may be a piece of a secret in a URL cut wrongly."""
_UNTOLD: Mapping[str, Any] = {"driver_info": None}
"""For each connection redis-py would look its own version up on disk, 0.8 ms, to tell it."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A checked URL. `place` is where the store is, for error lines."""

    place: str
    kind: type[AbstractConnection]
    options: Mapping[str, Any] = field(repr=False)
    """Arguments of redis-py's connection."""
    service: str = ""
    """What Sentinel calls the store; empty: it is not asked."""
    sentinels: tuple[tuple[str, int], ...] = ()
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    async def connect(self, name: str) -> AbstractConnection:
        """A new connection that speaks RESP 2 and has introduced itself (AUTH, SETNAME, SELECT).

        All that the store has sent is read. With Sentinel it is the primary of this moment. Raises
        StoreUnreachable when nobody answers, or does not let us in.
        """
        options = {**self.options, **_UNTOLD, "client_name": name, "protocol": 2}
        try:
            if self.service:
                options["host"], options["port"] = await self._primary()
            connection = self.kind(**options)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
                if self.service:
                    await _check_primary(connection)
                if await connection.can_read():
                    raise StoreUnreachable("it hung up, or sent what nobody had asked for")
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
        except (RedisError, StoreUnreachable, OSError) as error:
            reason = str(error) or type(error).__name__
            raise StoreUnreachable(f"{_failed(error)} {self.place}: {reason}") from error
        return connection

    def check_certificates(self) -> None:
        """Raise UsageError if one that the URL names cannot be loaded."""
        connection = self.kind(**self.options)
        if isinstance(connection, SSLConnection):
            try:
                connection.ssl_context.get()
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                raise UsageError(f"--redis: the ssl_ options: {error}") from error

    def sentinel(self) -> Sentinel:
        """Whom to ask for the primary; to be closed."""
        asking = dict(self.sentinel_options)
        return Sentinel(self.sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]

    async def _primary(self) -> tuple[str, int]:
        async with self.sentinel() as sentinel:
            host, port = await sentinel.discover_master(self.service)
        return host, port


def _failed(error: Exception) -> str:
    """What it was that failed: a refused login is no absent store."""
    if isinstance(error, AuthenticationError | AuthorizationError | ResponseError):
        return "refused by the store at"
    return "no TLS with the store at" if "SSL" in str(error) else "no store at"


async def _check_primary(connection: AbstractConnection) -> None:
    """A sentinel that has not noticed yet names yesterday's primary."""
    await connection.send_command("ROLE")
    role = (await connection.read_response())[0]
    if role != b"master":
        raise StoreUnreachable(f"Sentinel named a {role.decode()} as the primary")


def pooled_client(url: str) -> Redis:
    """redis-py's own client on its own pool, as it comes. Raises UsageError."""
    address = parse_address(url)
    if not address.service:
        return Redis.from_url(url)
    options: dict[str, Any] = {"ssl": address.kind is SSLConnection, **address.options}
    client: Redis = address.sentinel().master_for(address.service, **options)
    return client


def parse_address(url: str) -> StoreAddress:
    """Raises UsageError, one line that names --redis and repeats nothing of the URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise UsageError(f"--redis: want {FORMS}")
        _check_escapes(url)
        _check_query(parts)
        address = _with_sentinel(parts) if _SENTINEL in parts.scheme else _direct(parts)
        address.kind(**address.options, **_UNTOLD)  # which refuses what it does not know
    except (RedisError, TypeError, ValueError) as error:
        raise UsageError(f"--redis: {_reason(error)}; want {FORMS}") from error
    return address


def _reason(error: Exception) -> str:
    """redis-py's words, but for those that repeat a value: a URL cut wrongly may show a secret."""
    text = str(error).splitlines()[0].removesuffix(".")
    if text.startswith("Port could not be cast"):
        return "the port is no number"
    return text


def _check_escapes(url: str) -> None:
    """redis-py would take what is badly encoded for something else, and log in with that."""
    try:
        url.encode()
        unquote(url, errors="strict")
        good = not _ESCAPE.search(url)
    except UnicodeError:
        good = False
    if not good:
        raise ValueError("it is not UTF-8, percent-encoded (a percent sign itself is %25)")


def _check_query(parts: SplitResult) -> None:
    """Every option is one that has an effect, stands there once and has a value.

    redis-py takes the names of all arguments of a connection, many of which do nothing here, or are
    objects that no text can be.
    """
    allowed = _options_of(parts)
    given = parse_qsl(parts.query, keep_blank_values=True)
    names = [name for name, _ in given]
    if parts.scheme != "unix" and parts.path.strip("/") and _SENTINEL not in parts.scheme:
        names.append("db")
    names += ["username"] if parts.username else []
    names += ["password"] if parts.password else []
    for name, value in given:
        shown = f"option {name}" if _NAME.fullmatch(name) else "an option"
        if name not in allowed:
            raise UsageError(f"--redis: {shown} has no effect here: one of {', '.join(allowed)}")
        if not value:
            raise UsageError(f"--redis: {shown} has no value")
        if names.count(name) > 1:
            raise UsageError(f"--redis: {shown} is given twice")


def _options_of(parts: SplitResult) -> tuple[str, ...]:
    """Those of a URL of this scheme."""
    secure = _TLS if parts.scheme.startswith("rediss") else ()
    own = () if parts.scheme == "unix" else _SOCKET
    common = ("db", *_LOGIN, *(own or _SOCKET[:2]), *secure, *_POOLS_OWN)
    if _SENTINEL not in parts.scheme:
        return common
    asking = (*_LOGIN, *_SOCKET, *secure)
    return (*common, *(f"sentinel_{name}" for name in asking))


def _direct(parts: SplitResult) -> StoreAddress:
    options = dict(parse_url(parts.geturl()))
    kind: Any = options.pop("connection_class", Connection)
    for name in _POOLS_OWN:
        options.pop(name, None)
    if kind is UnixDomainSocketConnection:
        return StoreAddress(_needed("PATH", parts.path), kind, options)
    host, db = _needed("HOST", parts.hostname), parts.path.strip("/")
    if db and not (db.isascii() and db.isdigit()):
        raise ValueError("the database is no number")  # redis-py would take database 0
    return StoreAddress(_place(host, parts.port or PORT), kind, options)


def _with_sentinel(parts: SplitResult) -> StoreAddress:
    """The store's options are those of redis:// or rediss://, Sentinel's own start so."""
    login, at, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    scheme = parts.scheme.removesuffix(_SENTINEL)
    store = _direct(parts._replace(scheme=scheme, netloc=f"{login}{at}primary", path=f"/{db}"))
    options = {n: v for n, v in store.options.items() if n not in ("host", "port")}
    own = {name: options.pop(name) for name in list(options) if name.startswith("sentinel_")}
    asking = {
        "socket_timeout": SENTINEL_WITHIN_S,
        "retry": Retry(NoBackoff(), 0),
        **{n: v for n, v in options.items() if n.startswith(("socket_", "ssl_"))},
        **{name.removeprefix("sentinel_"): value for name, value in own.items()},
        **({"ssl": True} if store.kind is SSLConnection else {}),
    }
    found = [urlsplit(f"//{one}") for one in hosts.split(",")]
    sentinels = tuple((_needed("HOST", one.hostname), one.port or SENTINEL_PORT) for one in found)
    Redis(**asking)  # which refuses what it does not know
    return StoreAddress(
        f"{_needed('SERVICE', service)} of {','.join(_place(*one) for one in sentinels)}",
        store.kind,
        options,
        service,
        sentinels,
        asking,
    )


def _needed(what: str, value: str | None) -> str:
    if not value:
        raise ValueError(f"{what} is missing")
    return value


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
