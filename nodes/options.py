"""The node's command line: parsed once, checked here, frozen from then on."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.delivery.registry import resolve
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.wire.options import Parser, listen_address
from chunk7.wire.origins import Origins, add_origins, origins_of
from chunk7.wire.plan import PARAMETERS
from chunk7.wire.store.option import add_redis
from chunk7.wire.tokens import Tokens, add_token_secret, read_tokens

_WORK = PARAMETERS["node_work_ms"]
MAX_WORK_MS = int(_WORK.high)
SUBSCRIPTIONS = ("shared", "per-client")
"""One for all clients of a channel (`feeds/pubsub.py`), or one each (`feeds/per_client.py`)."""
Number = TypeVar("Number", int, float)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a node was told. `connect` is the default ordering's name, a key of `orderings`."""

    host: str
    port: int
    redis: str = field(repr=False)
    name: str
    records: Path
    connect: str
    orderings: dict[str, ConnectOrdering]
    node_work_ms: float
    heartbeat_ms: int
    max_outbox_kb: int
    max_clients: int
    drain_s: float
    subscriptions: str = SUBSCRIPTIONS[0]
    """One of SUBSCRIPTIONS."""
    max_history_mb: int = 64
    max_fetches_s: float = 20.0
    producer: str | None = None
    """Where the page's answers are asked for; None: it has none to show."""
    origins: Origins = Origins()  # noqa: RUF009 - frozen
    """Whose requests to join are taken at all."""
    tokens: Tokens | None = field(default=None, repr=False)
    """What a join needs; None: nothing."""


def parse_options(arguments: Sequence[str] | None = None) -> NodeOptions:
    """The options of a command line, sys.argv's by default.

    Raises UsageError, one line that names the option and what it may be.
    """
    given = _parser().parse_args(arguments)
    if not _NAME.fullmatch(given.name):
        raise UsageError(f"--name: {given.name!r} is not 1 to 64 letters, digits, - or _")
    host, port = listen_address(given.listen)
    orderings = _registry(given.ordering)
    return NodeOptions(
        host=host,
        port=port,
        redis=given.redis,
        name=given.name,
        records=given.records,
        connect=_default(given.connect, orderings),
        orderings=orderings,
        node_work_ms=float(_WORK.number(given.node_work_ms)),
        heartbeat_ms=_within("--heartbeat-ms", given.heartbeat_ms, 10, 60_000),
        max_outbox_kb=_within("--max-outbox-kb", given.max_outbox_kb, 1, 1_048_576),
        max_clients=_within("--max-clients", given.max_clients, 1, 100_000),
        max_history_mb=_within("--max-history-mb", given.max_history_mb, 1, 65_536),
        max_fetches_s=_within("--max-fetches-s", given.max_fetches_s, 0.1, 10_000),
        drain_s=_within("--drain-s", given.drain_s, 0, 600),
        subscriptions=given.subscriptions,
        producer=None if given.producer is None else _http("--producer", given.producer),
        origins=origins_of(host, given),
        tokens=read_tokens(given.token_secret_file),
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="nodes", description="A relay node.")
    add = parser.add_argument
    add("--listen", required=True, metavar="HOST:PORT", help="port 0: any free one")
    add_redis(parser, "the store, redis://host:port/db or any other form", required=True)
    add("--name", required=True, help="the node's name in frames, records and metrics")
    add("--records", required=True, type=Path, metavar="DIR", help="where the records go")
    add("--connect", default="history_then_subscribe", metavar="NAME", help="default ordering")
    add("--ordering", action="append", default=[], metavar="FILE.py:NAME", help="one of yours")
    _WORK.add_to(parser)
    add("--heartbeat-ms", type=int, default=500)
    add("--max-outbox-kb", type=int, default=256, help="a client that is further behind is closed")
    add("--max-clients", type=int, default=5000)
    add("--max-history-mb", type=int, default=64, help="memory for histories on their way, in all")
    add("--max-fetches-s", type=float, default=20.0, help="a client's fetches and resumes a second")
    add("--drain-s", type=float, default=5, help="longest time from SIGTERM to the end")
    add(
        "--subscriptions",
        choices=SUBSCRIPTIONS,
        default=SUBSCRIPTIONS[0],
        help="one a channel, or a redis-py PubSub a client, as most relays have it",
    )
    add("--producer", metavar="URL", help="http://host:port; /demo asks it for answers")
    add_origins(parser)
    add_token_secret(parser)
    return parser


def _within(option: str, value: Number, low: float, high: int) -> Number:
    if not low <= value <= high:  # also refuses nan
        raise UsageError(f"{option}: {value} is not {low} to {high}")
    return value


def _http(option: str, url: str) -> str:
    """The URL without a slash at its end."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"{option}: {url!r} is not http://HOST:PORT")
    return url.rstrip("/")


def _registry(specs: Sequence[str]) -> dict[str, ConnectOrdering]:
    """The built-in orderings and the user's own."""
    registry = dict(CONNECT_ORDERINGS)
    for spec in specs:
        ordering = resolve(spec, CONNECT_ORDERINGS, ConnectOrdering, "--ordering")
        if ordering.name in registry:
            raise UsageError(f"--ordering: there already is an ordering named {ordering.name!r}")
        registry[ordering.name] = ordering
    return registry


def _default(spec: str, registry: dict[str, ConnectOrdering]) -> str:
    """The default ordering's name; one that is given as a file joins the registry."""
    ordering = resolve(spec, registry, ConnectOrdering, "--connect")
    if spec not in registry and ordering.name in registry:
        raise UsageError(f"--connect: there already is an ordering named {ordering.name!r}")
    return registry.setdefault(ordering.name, ordering).name
