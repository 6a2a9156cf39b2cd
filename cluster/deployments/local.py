"""A cluster of local processes: store, delay, nodes, producer, nginx, and how they are wired.

```
Locust --ws--> nginx --> node-1..N --\
   \\--http--> producer --------------+--> [delay] --> store
```
"""

import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.parts import Part
from chunk7.cluster.deployments.probes import answers_http, free_ports, pings
from chunk7.cluster.deployments.proxy import nginx_command
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import PartDied, UsageError
from chunk7.wire.plan import Plan
from chunk7.wire.store.address import PORT
from chunk7.wire.store.link import Link
from chunk7.wire.store.option import ENVIRONMENT

HOST = "127.0.0.1"
STARTS = 3
_TAKEN = ("address already in use", "address in use", "eaddrinuse")


@dataclass(frozen=True, slots=True)
class Local:
    """What to start. `redis` None: a store of our own."""

    plan: Plan
    nodes: int
    stream_max_entries: int | None
    redis: str | None = field(repr=False)
    answers: Path | None
    connect_files: tuple[str, ...]
    write_files: tuple[str, ...]
    websocket_port: int | None = None
    """Where nginx listens; None: any free port."""
    settable_latency: bool = False
    """Whether the store latency can be changed later; then a delay is there also for none."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a started cluster is reached."""

    store: str = field(repr=False)
    websocket: str
    producer: str
    checks: Mapping[str, str] = field(default_factory=dict)
    """By part: the URL at which to see that it is well, as `cluster.status.server` takes it."""
    delay: str | None = None
    """Where the store latency can be set, if it can."""


def python(module: str, options: Mapping[str, object]) -> tuple[str, ...]:
    """The command that runs a module with these options."""
    # -P: a folder called `chunk7` where the user happens to be is not ours.
    return (sys.executable, "-P", "-u", "-m", module, *spelled(options))


def spelled(options: Mapping[str, object]) -> tuple[str, ...]:
    """Options as words of a command line; one with a tuple of values is repeated."""
    repeated = (
        (option, value)
        for option, values in options.items()
        for value in (values if isinstance(values, tuple) else (values,))
    )
    return tuple(str(word) for pair in repeated for word in pair)


def can_delay(redis: str | None) -> bool:
    """Whether there can be a delay before this store: it must be at one address, without TLS."""
    return redis is None or urlsplit(redis).scheme == "redis"


async def check_store(redis: str, store_latency_ms: float) -> None:
    """Raise UsageError or StoreUnreachable if a user's store cannot be used so."""
    if store_latency_ms and not can_delay(redis):
        raise UsageError(
            "--store-latency-ms: cannot delay a store that is not at redis://: TLS must end at the "
            "store, and Sentinel names addresses of its own"
        )
    link = await Link.open(redis, "chunk7-check")
    await link.close()


async def start(cluster: Cluster, local: Local, folder: Path) -> Endpoints:
    """Start everything but Locust, and wait until all of it is healthy.

    A port that was free when it was looked for may be taken a moment later; then all is started
    again on others. Raises PartDied as `Cluster.start`.
    """
    for left in reversed(range(STARTS)):
        try:
            return await _start_once(cluster, local, folder)
        except PartDied as error:
            if left == 0 or not port_was_taken(error):
                raise
            await cluster.stop()
            shutil.rmtree(folder / "raw", ignore_errors=True)  # nothing was streamed yet
    raise AssertionError("the last start returns or raises")


def port_was_taken(error: PartDied) -> bool:
    """Whether a part ended because somebody else has its port: by its own last lines."""
    return any(taken in str(error).lower() for taken in _TAKEN)


async def _start_once(cluster: Cluster, local: Local, folder: Path) -> Endpoints:
    store_port, delay_port, control_port, producer_port, proxy_port, *node_ports = free_ports(
        5 + local.nodes
    )
    proxy_port = local.websocket_port or proxy_port
    store = local.redis or f"redis://{HOST}:{store_port}/0"
    if local.redis is None:
        await cluster.start(store_part(folder, store_port))
    near = store
    control = f"{HOST}:{control_port}" if local.settable_latency else None
    if local.plan.store_latency_ms or control:
        near = _moved(store, delay_port)
        latency_ms = local.plan.store_latency_ms
        await cluster.start(_delay(folder, delay_port, store, latency_ms, control))
    endpoints = Endpoints(
        store=store,
        websocket=f"ws://{HOST}:{proxy_port}",
        producer=f"http://{HOST}:{producer_port}",
        checks={
            **_store_check(store),
            **{f"node-{i}": f"http://{HOST}:{at}/healthz" for i, at in enumerate(node_ports, 1)},
            "proxy": f"http://{HOST}:{proxy_port}/proxy-healthz",
            "producer": f"http://{HOST}:{producer_port}/healthz",
        },
        delay=f"http://{control}" if control else None,
    )
    nodes = [
        _node(local, folder, f"node-{i}", port, near, endpoints.producer)
        for i, port in enumerate(node_ports, 1)
    ]
    await cluster.start(*nodes, _producer(local, folder, producer_port, near))
    await cluster.start(_nginx(local, folder, proxy_port, node_ports))
    return endpoints


def _store_check(store: str) -> dict[str, str]:
    """None for one that a bare PING does not get to: behind TLS, a Unix socket or Sentinel."""
    return {"store": f"redis://{_place(store)}"} if can_delay(store) else {}


def store_part(folder: Path, port: int) -> Part:
    """A valkey-server that keeps everything in memory; its files and log are in `folder`."""
    data = folder / "store"
    data.mkdir(exist_ok=True)
    address = ("--bind", HOST, "--port", str(port), "--dir", data)
    in_memory = ("--save", "", "--appendonly", "no")
    return Part(
        "store",
        (valkey_server(), *address, *in_memory),
        folder / "logs" / "store.log",
        ready=pings(HOST, port),
    )


def _delay(folder: Path, port: int, store: str, latency_ms: float, control: str | None) -> Part:
    return Part(
        "delay",
        python(
            "chunk7.cluster.deployments.delay_proxy",
            delay_options(f"{HOST}:{port}", store, latency_ms, control),
        ),
        folder / "logs" / "delay.log",
        ready=pings(HOST, port),
    )


def delay_options(
    listen: str, store: str, latency_ms: float, control: str | None = None
) -> dict[str, object]:
    """Of `python -m chunk7.cluster.deployments.delay_proxy`."""
    options: dict[str, object] = {
        "--listen": listen,
        "--to": _place(store),
        "--latency-ms": f"{latency_ms:g}",
    }
    return options | ({"--control": control} if control else {})


def _node(local: Local, folder: Path, name: str, port: int, store: str, producer: str) -> Part:
    options = node_options(local, f"{HOST}:{port}", name, folder / "raw", producer)
    return Part(
        name,
        python("chunk7.nodes", options),
        folder / "logs" / f"{name}.log",
        ready=answers_http(HOST, port),
        environment={ENVIRONMENT: store},
    )


def node_options(
    local: Local, listen: str, name: str, records: Path, producer: str
) -> dict[str, object]:
    """Of `python -m chunk7.nodes`, but for the store."""
    return {
        "--listen": listen,
        "--name": name,
        "--records": records,
        "--node-work-ms": f"{local.plan.node_work_ms:g}",
        "--max-clients": capacity(local.plan.users),
        "--drain-s": 1,
        "--ordering": local.connect_files,
        "--producer": producer,
    }


def _producer(local: Local, folder: Path, port: int, store: str) -> Part:
    options = producer_options(local, f"{HOST}:{port}", "producer", folder / "raw")
    return Part(
        "producer",
        python("chunk7.producer", options),
        folder / "logs" / "producer.log",
        ready=answers_http(HOST, port),
        environment={ENVIRONMENT: store},
    )


def producer_options(local: Local, listen: str, name: str, records: Path) -> dict[str, object]:
    """Of `python -m chunk7.producer`, but for the store."""
    options: dict[str, object] = {
        "--listen": listen,
        "--name": name,
        "--records": records,
        "--ordering": local.write_files,
    }
    if local.answers is not None:
        options["--answers"] = local.answers
    if local.stream_max_entries is not None:
        options["--stream-max-entries"] = local.stream_max_entries
    return options


def capacity(users: int) -> int:
    """How many clients a cluster for so many users is made for: the web UI can ask for more."""
    return max(5_000, users)


def _nginx(local: Local, folder: Path, port: int, node_ports: list[int]) -> Part:
    nodes = [(HOST, node_port) for node_port in node_ports]
    return Part(
        "nginx",
        nginx_command(folder / "nginx", (HOST, port), nodes, capacity(local.plan.users)),
        folder / "logs" / "nginx.log",
        ready=answers_http(HOST, port),
        orphan_signal=signal.SIGTERM,  # its worker would survive it
    )


def _place(url: str) -> str:
    """HOST:PORT of a redis:// URL."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return host if parts.port else f"{host.removesuffix(':')}:{PORT}"


def _moved(url: str, port: int) -> str:
    """The store's URL with the delay's address in place of its own."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{HOST}:{port}"))
