"""A cluster that runs until somebody stops it."""

import dataclasses
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from chunk7.cluster.deployments import load, local
from chunk7.cluster.deployments.parts import HOST, Part, python
from chunk7.cluster.deployments.probes import answers_http
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.jobs.faults import fault_records
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.cluster.jobs.run import check, local_faults, prepare
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import UsageError

Tell = Callable[[str, str, str, Path], None]
"""Called with the URLs of proxy, web UI and producer and the run folder once all is ready."""

_STOP_WITHIN_S = 4.0
"""The judge finishes what it has begun, and judges once more."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Those that the user chooses."""

    websocket: int
    web: int
    status: int

    def check_free(self) -> None:
        """Raise UsageError if somebody listens on one of them."""
        for option, port in (
            ("--port", self.websocket),
            ("--web-port", self.web),
            ("--status-port", self.status),
        ):
            check_free(option, port)


def keep_running(
    settings: RunSettings, out: Path | None, ports: Ports, console: Console, tell: Tell
) -> None:
    """Start everything and wait for a signal, which is raised as Interrupted.

    Raises UsageError for bad input and for a port in use, PartDied when a part ends.
    """
    check(settings)
    ports.check_free()
    folder, run_name = prepare(settings, out)
    with recording(folder, console):
        run_interruptibly(_keep(settings, folder, run_name, ports, console, tell))


@contextmanager
def recording(folder: Path, console: Console) -> Iterator[None]:
    """Name the run folder, and at the end, whatever it is, what is in it and how to judge it."""
    console.print(f"records go into {folder}", soft_wrap=True, markup=False, highlight=False)
    try:
        yield
    finally:
        console.print(recorded(folder), soft_wrap=True, markup=False, highlight=False)


def recorded(folder: Path) -> str:
    """What a cluster that has ended has left in its run folder."""
    rounds = sorted(folder.glob("rounds/*/manifest.json"), key=_age)
    if not rounds:
        return f"no load test was run: {folder} has logs only"
    count = "1 round" if len(rounds) == 1 else f"{len(rounds)} rounds"
    newest = shlex.quote(str(rounds[-1].parent))
    return f"recorded {count} in {folder / 'rounds'}; to judge the newest: chunk7 report {newest}"


def _age(manifest: Path) -> tuple[int, int, str]:
    """When it was written; within a tick of the clock by its name, which ends in a number."""
    name = manifest.parent.name
    return manifest.stat().st_mtime_ns, len(name), name


def check_free(option: str, port: int) -> None:
    """Raise UsageError if somebody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not count
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"{option} {port}: {error.strerror}") from error


async def _keep(
    settings: RunSettings, folder: Path, run_name: str, ports: Ports, console: Console, tell: Tell
) -> None:
    console.print(f"starting a cluster of {settings.nodes} nodes", highlight=False)
    layout = dataclasses.replace(
        settings.local,
        websocket_port=ports.websocket,
        needs=local.can_have(settings.redis),
    )
    async with Cluster(folder) as cluster:
        endpoints = await local.start(cluster, layout, folder)
        # The judge before Locust: it ends later, and so reads what Locust writes down at its end.
        await cluster.start(_attendant(settings, endpoints, folder, ports))
        await cluster.start(
            load.web(settings, endpoints, folder, run_name, ports.web, ports.status)
        )
        tell(endpoints.websocket, f"http://{HOST}:{ports.web}", endpoints.producer, folder)
        with fault_records(folder / "raw") as records:
            faults = local_faults(cluster, settings, endpoints, folder, records)
            await cluster.while_alive(faults)


def _attendant(
    settings: RunSettings, endpoints: local.Endpoints, folder: Path, ports: Ports
) -> Part:
    """The process that says how the cluster is, and judges what clients lose."""
    web, status = (f"http://{HOST}:{port}" for port in (ports.web, ports.status))
    checks = {**endpoints.checks, "locust": f"{web}/"}
    tells = {
        "WebSocket": f"{endpoints.websocket}/ws/SESSION?ordering=NAME",
        "demo": f"{endpoints.websocket.replace('ws', 'http', 1)}/demo",
        "web UI": web,
        "health": f"{status}/healthz",
        "delivery": f"{status}/delivery",
        "records": str(folder),
    }
    options = {
        "--listen": f"{HOST}:{ports.status}",
        "--run": folder,
        "--check": tuple(f"{name}={url}" for name, url in checks.items()),
        "--tell": tuple(f"{name}={text}" for name, text in tells.items()),
        "--ordering": settings.cells.connect_files,
        "--write-ordering": settings.cells.write_files,
    }
    return Part(
        "cluster",
        python("chunk7.cluster.status.server", options),
        folder / "logs" / "cluster.log",
        # /metrics is there from the start; /healthz says 503 until all is up.
        ready=answers_http(HOST, ports.status, "/metrics"),
        stop_within_s=_STOP_WITHIN_S,
    )
