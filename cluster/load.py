"""Locust as a part of the cluster."""

import signal
from pathlib import Path

import loadtest
from cluster.local import HOST, Endpoints, python
from cluster.parts import Part
from cluster.probes import answers_http, free_ports
from cluster.settings import Settings

_LOCUSTFILE = Path(loadtest.__file__).with_name("locustfile.py")


def headless(settings: Settings, endpoints: Endpoints, folder: Path, run_name: str) -> Part:
    """Locust that runs every cell once and ends."""
    command = _command(settings, endpoints, folder, run_name)
    command += ("--headless", "--once", "--only-summary")
    command += ("-u", str(settings.users), "-r", str(settings.users))
    if settings.processes:
        [port] = free_ports(1)
        command += ("--processes", str(settings.processes))
        command += ("--master-bind-host", HOST, "--master-bind-port", str(port))
        command += ("--master-host", HOST, "--master-port", str(port))
    return Part(
        "locust",
        command,
        folder / "logs" / "locust.log",
        ends_by_itself=True,
        stop_within_s=4.0,  # it gives its workers three seconds
        orphan_signal=signal.SIGTERM,  # and must be there to end them
    )


def web(settings: Settings, endpoints: Endpoints, folder: Path, run_name: str, port: int) -> Part:
    """Locust with its web UI, waiting for somebody to press start."""
    command = _command(settings, endpoints, folder, run_name)
    command += ("--web-host", HOST, "--web-port", str(port))
    command += ("-u", str(settings.users), "-r", str(settings.users))
    return Part(
        "locust",
        command,
        folder / "logs" / "locust.log",
        ready=answers_http(HOST, port, "/"),
        orphan_signal=signal.SIGTERM,
    )


def _command(
    settings: Settings, endpoints: Endpoints, folder: Path, run_name: str
) -> tuple[str, ...]:
    order = settings.order(run_name)
    gap_fillers = [name for name, traits in settings.cells.traits.items() if traits.fills_gaps]
    options = {
        "-f": _LOCUSTFILE,
        "--host": endpoints.websocket,
        "--producer": endpoints.producer,
        "--cells": "; ".join(cell.name for cell in order.cells),
        "--sessions": order.sessions,
        "--chunk-rate": order.chunk_rate,
        "--jitter": order.jitter,
        "--cell-duration-s": order.duration_ms / 1_000,
        "--settle-ms": order.settle_ms,
        "--node-work-ms": settings.node_work_ms,
        "--save-lag-ms": order.save_lag_ms,
        "--records": folder / "raw",
        "--chunk7-seed": order.seed,
        "--fill-gaps": ",".join(gap_fillers),
        "--run-name": order.run,
    }
    return python("locust", options)
