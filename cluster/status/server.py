"""Stays with a running cluster and says how it is: what is up and where, and what clients lose.

```
python -m chunk7.cluster.status.server --listen HOST:PORT --run FOLDER
    --check NAME=URL ... --tell NAME=URL ... --ordering FILE:NAME ... --write-ordering FILE:NAME ...
```

What clients lose is judged from the growing records of the run folder (docs/live.md), told as a
line an ordering, and answered at `GET /delivery`, `GET /delivery.csv` and `GET /metrics`.

A check is `http://HOST:PORT/PATH` (a GET is answered with 200), `redis://HOST:PORT` (a PING is
answered) or `name://HOST` (the name has an address). A name with several addresses is several
instances, all of which are asked: that is how Docker's name server tells of scaled services.
`GET /healthz` answers 200 while all parts are healthy, else 503, with a JSON document of them.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import msgspec
from aiohttp import web

from chunk7.analysis.live.judging import Live
from chunk7.cluster.cells import traits
from chunk7.cluster.deployments.probes import answers_http, pings
from chunk7.cluster.jobs.proof import explored
from chunk7.cluster.status.delivery import DeliveryService
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.delivery.ordering import ConnectOrdering, WriteOrdering, pair
from chunk7.delivery.registry import resolve
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.account import Explored
from chunk7.wire.guard import guard
from chunk7.wire.options import Parser, listen_address
from chunk7.wire.origins import Origins, add_origins, origins_of

EVERY_S = 1.0
_NICER = 5
"""Judging must not take the processor from what is judged."""
_BY_SCHEME = ("http", "redis", "name")


class Health(msgspec.Struct, frozen=True):
    """How many instances of a part there are, and how many are healthy."""

    healthy: int
    instances: int

    @property
    def good(self) -> bool:
        """There is one at least, and all are healthy."""
        return 0 < self.instances == self.healthy


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """What to check and what to tell. `tells` are told as they are."""

    host: str
    port: int
    run: Path
    checks: dict[str, SplitResult]
    tells: dict[str, str]
    orderings: Mapping[str, ConnectOrdering] = field(default_factory=lambda: CONNECT_ORDERINGS)
    explored: Mapping[str, Explored] = field(default_factory=dict)
    """By cell's name."""
    origins: Origins = Origins()  # noqa: RUF009 - frozen
    """Under which names it may be asked."""


def parse_options(arguments: Sequence[str] | None = None) -> StatusOptions:
    """The options of a command line, sys.argv's by default; raises UsageError in one line."""
    parser = Parser(
        prog="python -m chunk7.cluster.status.server", description="Says how a cluster is."
    )
    add = parser.add_argument
    add("--listen", required=True, metavar="HOST:PORT", help="where to answer; port 0: any")
    add("--run", required=True, type=Path, metavar="FOLDER", help="where the records go")
    add("--check", action="append", default=[], metavar="NAME=URL", help="http, redis or name")
    add("--tell", action="append", default=[], metavar="NAME=TEXT", help="told once all is up")
    for option in ("--ordering", "--write-ordering"):
        add(option, action="append", default=[], metavar="FILE:NAME", help="beside ours")
    add_origins(parser)
    given = parser.parse_args(arguments)
    host, port = listen_address(given.listen)
    checks = {name: _checked(url) for name, url in _pairs("--check", given.check).items()}
    connects = {s: resolve(s, {}, ConnectOrdering, "--ordering") for s in given.ordering}
    writes = {s: resolve(s, {}, WriteOrdering, "--write-ordering") for s in given.write_ordering}
    orderings = {**CONNECT_ORDERINGS, **{own.name: own for own in connects.values()}}
    both = [
        (connect, write)
        for connect in orderings.values()
        for write in (*WRITE_ORDERINGS.values(), *writes.values())
        if pair(connect, write)
    ]
    specs = {own.name: spec for files in (connects, writes) for spec, own in files.items()}
    tells = _pairs("--tell", given.tell)
    return StatusOptions(
        host,
        port,
        given.run,
        checks,
        tells,
        orderings,
        explored(both, specs),
        origins_of(host, given),
    )


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    pairs = dict(word.partition("=")[::2] for word in words)
    if not all(pairs.values()) or len(pairs) < len(words):
        raise UsageError(f"{option}: want NAME=VALUE, each name once")
    return pairs


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _BY_SCHEME or not parts.hostname:
        raise UsageError(f"--check: {url!r} is not http://, redis:// or name://HOST")
    return parts


class StatusServer:
    """Asks all parts again and again; `health` is what they answered last, by name."""

    def __init__(self, options: StatusOptions) -> None:
        self._options = options
        self._told = False
        self.health: dict[str, Health] = {}

    @property
    def good(self) -> bool:
        """Whether everything has been asked and is healthy."""
        return bool(self.health) and all(health.good for health in self.health.values())

    async def watch(self) -> None:
        """Check every second, and log what changed. Until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(EVERY_S)

    async def answer(self, _: web.Request) -> web.Response:
        """`GET /healthz`."""
        document = {"schema": 1, "healthy": self.good, "parts": self.health}
        return web.Response(
            status=200 if self.good else 503,
            body=msgspec.json.encode(document) + b"\n",
            content_type="application/json",
        )

    async def _look(self) -> None:
        checks = self._options.checks
        found = await asyncio.gather(*map(check, checks.values()))
        before, self.health = self.health, dict(zip(checks, found, strict=True))
        for name, health in self.health.items():
            if before.get(name) != health:
                log(f"{name}: {told(health)}")
        if self.good and not self._told:
            self._told = True
            self._tell()

    def _tell(self) -> None:
        """What is up and where."""
        log("everything is up")
        width = max(map(len, self._options.tells), default=0)
        for name, text in self._options.tells.items():
            log(f"  {name:<{width}}  {text}")


async def check(url: SplitResult) -> Health:
    """Ask every address that the URL's host has."""
    host = str(url.hostname)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, url.port or 0, type=socket.SOCK_STREAM
        )
    except OSError:
        return Health(0, 0)
    addresses = sorted({str(address[4][0]) for address in found})
    healthy = await asyncio.gather(*(_healthy(url, address) for address in addresses))
    return Health(sum(healthy), len(addresses))


async def _healthy(url: SplitResult, address: str) -> bool:
    if url.scheme == "name":
        return True
    if url.scheme == "redis":
        return await pings(address, url.port or 6379)()
    return await answers_http(address, url.port or 80, url.path or "/")()


def told(health: Health) -> str:
    """In words."""
    if health.instances == 0:
        return "is not there"
    if health.instances == 1:
        return "healthy" if health.good else "not healthy"
    return f"{health.healthy} of {health.instances} healthy"


def log(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def serve(options: StatusOptions, stop: asyncio.Event) -> None:
    """Until `stop`. Raises UsageError when the address is taken."""
    status_server = StatusServer(options)
    known = {name: traits(ordering) for name, ordering in options.orderings.items()}
    judge = DeliveryService(Live(options.run, known, options.explored), log)
    application = web.Application(middlewares=[guard(options.origins)])
    application.router.add_get("/healthz", status_server.answer)
    application.add_routes(judge.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
    except OSError as error:
        await runner.cleanup()
        address = f"{options.host}:{options.port}"
        raise UsageError(f"--listen: {address}: {error.strerror}") from error
    duties = [
        asyncio.create_task(duty) for duty in (status_server.watch(), judge.keep(), stop.wait())
    ]
    try:
        done, _ = await asyncio.wait(duties, return_when=asyncio.FIRST_COMPLETED)
        for duty in done:
            duty.result()
    finally:
        for duty in duties:
            duty.cancel()
        await asyncio.wait(duties)
        await runner.cleanup()
    await judge.finish()


def main() -> int:
    """The process's command line."""
    try:
        options = parse_options()
        os.nice(_NICER)
        asyncio.run(_until_terminated(options))
    except Chunk7Error as error:
        sys.stderr.write(f"cluster: error: {error}\n")
        return error.exit_code
    return 0


async def _until_terminated(options: StatusOptions) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


if __name__ == "__main__":
    sys.exit(main())
