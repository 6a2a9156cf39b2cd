"""A cluster of local processes: store, delay, nodes, producer, nginx, and how they are wired.

```
Locust --ws--> nginx --> node-1..N --\
   \\--http--> producer --------------+--> [delay] --> [link] --> store
```
"""

import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from chunk7.cluster.deployments.parts import HOST, Part, python
from chunk7.cluster.deployments.probes import answers_http, free_ports, pings
from chunk7.cluster.deployments.proxy import nginx_command
from chunk7.cluster.deployments.store_parts import (
    REPLICA,
    STORE,
    StoreTools,
    delay_part,
    link_options,
    place,
    replicate,
    store_part,
)
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import PartDied, UsageError
from chunk7.faults.live import Need
from chunk7.wire.plan import Plan
from chunk7.wire.store.option import ENVIRONMENT

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
    needs: frozenset[Need] = frozenset()
    """What faults need; a delay that can be set is there also for no latency."""


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
    again: Mapping[str, Callable[[str], Part]] = field(default_factory=dict)
    """How to start a part again, by its name, under a new one."""
    tools: StoreTools | None = None


@dataclass(frozen=True, slots=True)
class _Ports:
    """Where the parts of one cluster listen."""

    store: int
    replica: int
    replication: int
    replication_control: int
    delay: int
    delay_control: int
    link: int
    link_control: int
    producer: int
    proxy: int
    nodes: tuple[int, ...]

    @classmethod
    def free(cls, local: Local) -> "_Ports":
        names = [found.name for found in fields(cls) if found.name != "nodes"]
        free = free_ports(len(names) + local.nodes)
        own = dict(zip(names, free, strict=False))
        own["proxy"] = local.websocket_port or own["proxy"]
        return cls(**own, nodes=tuple(free[len(names) :]))


def can_delay(redis: str | None) -> bool:
    """Whether there can be a delay before this store: it must be at one address, without TLS."""
    return redis is None or urlsplit(redis).scheme == "redis"


def can_have(redis: str | None) -> frozenset[Need]:
    """What of a fault's needs there can be before this store."""
    if redis is None:
        return frozenset(Need)
    return frozenset({Need.DELAY, Need.LINK}) if can_delay(redis) else frozenset()


async def check_store(redis: str, store_latency_ms: float) -> None:
    """Raise UsageError or StoreUnreachable if a user's store cannot be used so."""
    if store_latency_ms and not can_delay(redis):
        raise UsageError(
            "--store-latency-ms: cannot delay a store that is not at redis://: TLS must end at the "
            "store, and Sentinel names addresses of its own"
        )
    from chunk7.wire.store.link import Link  # 0.1 s: redis-py, which a store of our own needs not

    link = await Link.open(redis, "chunk7-check")
    await link.close()


async def start(
    cluster: Cluster, local: Local, folder: Path, load: Callable[[Endpoints], Part] | None = None
) -> Endpoints:
    """Start everything but Locust, and wait until all of it is healthy.

    `load` makes a part that is held: it is started, but not let go, while the others get ready.
    A port that was free when it was looked for may be taken a moment later; then all is started
    again on others. Raises PartDied as `Cluster.start`.
    """
    for left in reversed(range(STARTS)):
        try:
            return await _start_once(cluster, local, folder, load)
        except PartDied as error:
            if left == 0 or not port_was_taken(error):
                raise
            await cluster.stop()
            shutil.rmtree(folder / "raw", ignore_errors=True)  # nothing was streamed yet
    raise AssertionError("the last start returns or raises")


def port_was_taken(error: PartDied) -> bool:
    """Whether a part ended because somebody else has its port: by its own last lines."""
    return any(taken in str(error).lower() for taken in _TAKEN)


async def _start_once(
    cluster: Cluster, local: Local, folder: Path, load: Callable[[Endpoints], Part] | None
) -> Endpoints:
    ports = _Ports.free(local)
    store = local.redis or f"redis://{HOST}:{ports.store}/0"
    tools = await _store_side(cluster, local, folder, ports, store)
    near = _near(local, ports, store)
    endpoints = Endpoints(
        store=store,
        websocket=f"ws://{HOST}:{ports.proxy}",
        producer=f"http://{HOST}:{ports.producer}",
        checks={
            **_store_check(store),
            **{f"node-{i}": f"http://{HOST}:{at}/healthz" for i, at in enumerate(ports.nodes, 1)},
            "proxy": f"http://{HOST}:{ports.proxy}/proxy-healthz",
            "producer": f"http://{HOST}:{ports.producer}/healthz",
        },
        delay=tools.delay,
        tools=tools,
        again=_makers(local, folder, ports, near),
    )
    nodes = [f"node-{number}" for number in range(1, local.nodes + 1)]
    relays = await cluster.begin(*(endpoints.again[name](name) for name in (*nodes, "producer")))
    if load is not None:
        await cluster.begin(load(endpoints))
    await cluster.ready(relays)
    # nginx after the nodes: it would pass over those that are not there yet. It stops with them.
    nginx = _nginx(local, folder, ports.proxy, list(ports.nodes))
    await cluster.while_alive(cluster.start_beside(nginx, "producer"))
    return endpoints


async def _store_side(
    cluster: Cluster, local: Local, folder: Path, ports: _Ports, store: str
) -> StoreTools:
    """The store, and what stands before it: all that nodes and producer do not know of."""
    tools = StoreTools(
        folder,
        delay=f"http://{HOST}:{ports.delay_control}" if Need.DELAY in local.needs else None,
        link=f"http://{HOST}:{ports.link_control}" if Need.LINK in local.needs else None,
        replication=(ports.replication, ports.replication_control),
        ports={} if local.redis else {STORE: ports.store, REPLICA: ports.replica},
    )
    if local.redis is None:
        await cluster.start(store_part(folder, ports.store))
    if Need.REPLICA in local.needs:
        await cluster.start(store_part(folder, ports.replica, REPLICA))
        await replicate(cluster, tools, ports.store, ports.replica)
    behind = store
    if Need.LINK in local.needs:
        replica = f"{HOST}:{ports.replica}" if Need.REPLICA in local.needs else None
        await cluster.start(_link(folder, ports, store, replica))
        behind = _moved(store, ports.link)
    if local.plan.store_latency_ms or Need.DELAY in local.needs:
        control = f"{HOST}:{ports.delay_control}" if Need.DELAY in local.needs else None
        latency_ms = local.plan.store_latency_ms
        await cluster.start(delay_part(folder, "delay", ports.delay, behind, latency_ms, control))
    return tools


def _near(local: Local, ports: _Ports, store: str) -> str:
    """Where nodes and producer find the store, or what stands before it."""
    if local.plan.store_latency_ms or Need.DELAY in local.needs:
        return _moved(store, ports.delay)
    return _moved(store, ports.link) if Need.LINK in local.needs else store


def _makers(
    local: Local, folder: Path, ports: _Ports, near: str
) -> dict[str, Callable[[str], Part]]:
    producer = f"http://{HOST}:{ports.producer}"
    makers: dict[str, Callable[[str], Part]] = {
        f"node-{number}": partial(_node, local, folder, port, near, producer)
        for number, port in enumerate(ports.nodes, 1)
    }
    makers["producer"] = partial(_producer, local, folder, ports.producer, near)
    makers[STORE] = partial(store_part, folder, ports.store)
    makers[REPLICA] = partial(store_part, folder, ports.replica)
    return makers


def _store_check(store: str) -> dict[str, str]:
    """None for one that a bare PING does not get to: behind TLS, a Unix socket or Sentinel."""
    return {"store": f"redis://{place(store)}"} if can_delay(store) else {}


def _link(folder: Path, ports: _Ports, store: str, replica: str | None) -> Part:
    listen, control = f"{HOST}:{ports.link}", f"{HOST}:{ports.link_control}"
    options = link_options(listen, store, control, replica)
    return Part(
        "link",
        python("chunk7.cluster.deployments.store_link", options),
        folder / "logs" / "link.log",
        ready=pings(HOST, ports.link),
    )


def _node(local: Local, folder: Path, port: int, store: str, producer: str, name: str) -> Part:
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


def _producer(local: Local, folder: Path, port: int, store: str, name: str) -> Part:
    options = producer_options(local, f"{HOST}:{port}", name, folder / "raw")
    return Part(
        name,
        python("chunk7.producer", options),
        folder / "logs" / f"{name}.log",
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


def _moved(url: str, port: int) -> str:
    """The store's URL with the delay's address in place of its own."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{HOST}:{port}"))
