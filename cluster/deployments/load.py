"""Locust as a part of the cluster."""

import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from chunk7 import loadtest
from chunk7.cluster.cells import orderings, traits
from chunk7.cluster.deployments.local import Endpoints, capacity
from chunk7.cluster.deployments.parts import HOST, Part, python
from chunk7.cluster.deployments.probes import answers_http, free_ports
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.ordering import pair
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.wire.plan import OPTIONS, Cell

LOCUST = "locust"
_LOCUSTFILE = Path(loadtest.__file__).with_name("locustfile.py")
_NO_WARNING = 100
"""Users a second that Locust starts without a warning."""
_AT_ONCE = 500
"""Users that are started in one second where nobody sees that warning. It is for users that load
what they test as soon as they are there; ours wait for the first cell."""
_RAMP_S = 10.0
_STOP_WITHIN_S = 4.0
"""It gives its workers three seconds."""


def headless(settings: RunSettings, endpoints: Endpoints, folder: Path, run_name: str) -> Part:
    """Locust that runs every cell once and ends, as soon as it is let go."""
    at_once = {"--spawn-rate": _spawn_rate(settings.plan.users, _AT_ONCE)}
    command = _command(settings, endpoints, folder, run_name, at_once)
    return Part(
        LOCUST,
        (*command, "--headless", "--once", "--only-summary", "--held"),
        folder / "logs" / "locust.log",
        ends_by_itself=True,
        held=True,
        stop_within_s=_STOP_WITHIN_S,
        orphan_signal=signal.SIGTERM,  # it must be there to end its workers
    )


def web(
    settings: RunSettings,
    endpoints: Endpoints,
    folder: Path,
    run_name: str,
    port: int,
    status_port: int,
) -> Part:
    """Locust with its web UI, waiting for somebody to press start."""
    more = web_options(settings, f"http://{HOST}:{status_port}", endpoints.delay)
    command = _command(settings, endpoints, folder, run_name, more)
    return Part(
        LOCUST,
        (*command, "--web-host", HOST, "--web-port", str(port)),
        folder / "logs" / "locust.log",
        ready=answers_http(HOST, port, "/"),
        stop_within_s=_STOP_WITHIN_S,
        orphan_signal=signal.SIGTERM,
    )


def _command(
    settings: RunSettings,
    endpoints: Endpoints,
    folder: Path,
    run_name: str,
    more: Mapping[str, object] = MappingProxyType({}),
) -> tuple[str, ...]:
    options = {**load_options(settings, endpoints, folder / "raw", run_name), **more}
    if settings.processes:
        [port] = free_ports(1)
        options |= processes_options(settings.processes, port)
    return python("locust", {"-f": _LOCUSTFILE, **options})


def load_options(
    settings: RunSettings, endpoints: Endpoints, records: Path, run_name: str
) -> dict[str, object]:
    """Of Locust, wherever it runs, apart from its locustfile."""
    plan = settings.named(run_name)
    gap_fillers = [name for name, traits in settings.cells.traits.items() if traits.fills_gaps]
    adapter = settings.adapter
    return {
        **({} if adapter is None else target_options(adapter)),
        "--host": endpoints.websocket,
        "--producer": endpoints.producer,
        "--cells": "; ".join(cell.name for cell in plan.cells),
        "--records": records,
        "--fill-gaps": ",".join(gap_fillers),
        "--run-name": plan.run,
        "--faults": "; ".join(plan.faults),
        "--fault-names": ",".join(settings.fault_names),
        "--spawn-rate": _spawn_rate(plan.users, _NO_WARNING),
        **{found.option: found.spelled(getattr(plan, name)) for name, found in OPTIONS.items()},
    }


def target_options(adapter: Adapter) -> dict[str, object]:
    """Of whoever reads the adapter's file again in a process of its own."""
    options: dict[str, object] = {"--target": Path(adapter.file).resolve()}
    if adapter.ports:
        options["--target-ports"] = ",".join(map(str, adapter.ports))
    return options


def _spawn_rate(users: int, at_once: int) -> float:
    """Users started a second: all in one, if they are not too many for it; in ten at most."""
    return max(min(users, at_once), users / _RAMP_S)


def web_options(settings: RunSettings, judge: str, delay: str | None) -> dict[str, object]:
    """What a web UI needs to know beyond `load_options`: there any ordering may be chosen.

    `judge` is where `GET /delivery` is answered, `delay` where the store latency is set, if it is.
    """
    connects, writes = orderings(settings.cells)
    pairs = [
        Cell(connect, write).name
        for connect, connect_ordering in connects.items()
        for write, write_ordering in writes.items()
        if pair(connect_ordering, write_ordering)
    ]
    fill_gaps = [name for name, found in connects.items() if traits(found).fills_gaps]
    options: dict[str, object] = {
        "--delivery": judge,
        "--pairs": "; ".join(pairs),
        "--fill-gaps": ",".join(fill_gaps),
        "--max-users": capacity(settings.plan.users),
    }
    return options | ({} if delay is None else {"--store-delay": delay})


def processes_options(processes: int, port: int) -> dict[str, object]:
    """Of a Locust that starts its own workers, who reach it at this port."""
    options: dict[str, object] = {"--processes": processes}
    options["--master-bind-host"] = options["--master-host"] = HOST
    options["--master-bind-port"] = options["--master-port"] = port
    return options
