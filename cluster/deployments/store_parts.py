"""The store of a local cluster, its replica, and the delays before them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chunk7.cluster.deployments.binaries import valkey_server
from chunk7.cluster.deployments.parts import HOST, Part, python
from chunk7.cluster.deployments.probes import pings
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.delivery.errors import Chunk7Error

STORE, REPLICA = "store", "store-replica"
REPLICATION = "replication"
REPLICATED_WITHIN_S = 10.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class StoreTools:
    """Where what stands before the store is told what to do. `replication`: port and control port
    of the delay by which the replica hears from its primary. `ports`: by name, of each server that
    is ours."""

    folder: Path
    delay: str | None
    link: str | None
    replication: tuple[int, int]
    ports: Mapping[str, int]


def store_part(folder: Path, port: int, name: str = STORE) -> Part:
    """A valkey-server that keeps everything in memory, unless it is told to save.

    Its files and log are in `folder`; what an earlier one of this name has saved is loaded.
    """
    data = folder / name
    data.mkdir(exist_ok=True)
    address = ("--bind", HOST, "--port", str(port), "--dir", data)
    in_memory = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
    return Part(
        name,
        (valkey_server(), *address, *in_memory),
        folder / "logs" / f"{name}.log",
        ready=pings(HOST, port),
    )


def delay_part(
    folder: Path, name: str, port: int, store: str, latency_ms: float, control: str | None
) -> Part:
    """A delay on its way to the store at this URL; `control`, HOST:PORT, is where it is set."""
    return Part(
        name,
        python(
            "chunk7.cluster.deployments.delay_proxy",
            delay_options(f"{HOST}:{port}", store, latency_ms, control),
        ),
        folder / "logs" / f"{name}.log",
        ready=pings(HOST, port),
    )


def delay_options(
    listen: str, store: str, latency_ms: float, control: str | None = None
) -> dict[str, object]:
    """Of `python -m chunk7.cluster.deployments.delay_proxy`."""
    options: dict[str, object] = {
        "--listen": listen,
        "--to": place(store),
        "--latency-ms": f"{latency_ms:g}",
    }
    return options | ({"--control": control} if control else {})


def link_options(listen: str, store: str, control: str, replica: str | None) -> dict[str, object]:
    """Of `python -m chunk7.cluster.deployments.store_link`; all HOST:PORT but the store's URL."""
    options: dict[str, object] = {
        "--listen": listen,
        "--to": place(store),
        "--control": control,
    }
    return options | ({"--replica": replica} if replica else {})


async def replicate(cluster: Cluster, tools: StoreTools, primary: int, replica: int) -> None:
    """Have the server at one port follow that at another, through a delay of its own.

    Raises Chunk7Error when they are not in step in time.
    """
    port, control = tools.replication
    part = delay_part(
        tools.folder, REPLICATION, port, f"redis://{HOST}:{primary}", 0, f"{HOST}:{control}"
    )
    await cluster.start_beside(part, STORE)
    await command(replica, "REPLICAOF", HOST, port)
    for _ in range(round(REPLICATED_WITHIN_S / POLL_S)):
        if b"master_link_status:up" in await command(replica, "INFO", "replication"):
            return
        await asyncio.sleep(POLL_S)
    raise Chunk7Error(f"the replica was not in step within {REPLICATED_WITHIN_S:g} s")


async def command(port: int, *words: str | bytes | int) -> Any:
    """The reply of the server at this port to one command. Raises StoreError."""
    from chunk7.wire.store.link import Link  # 0.1 s: redis-py, which most runs do without

    link = await Link.open(f"redis://{HOST}:{port}", "chunk7-faults")
    try:
        return await asyncio.wait_for(link.send(*words), REPLICATED_WITHIN_S)
    except TimeoutError as error:
        raise Chunk7Error(f"the store did not answer {words[0]!s}") from error
    finally:
        await link.close()


def place(url: str) -> str:
    """HOST:PORT of a redis:// URL."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.port:
        return host
    from chunk7.wire.store.address import PORT  # 0.1 s: redis-py

    return f"{host.removesuffix(':')}:{PORT}"
