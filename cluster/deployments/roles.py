"""What each container of the compose cluster is started with: `roles.json` in the run folder.

Written once, before the containers start; `chunk7.container` is what they run, and looks it up.
"""

import json
from pathlib import Path

from chunk7.cluster.deployments import local
from chunk7.cluster.deployments.load import load_options, processes_options, web_options
from chunk7.cluster.deployments.local import capacity
from chunk7.cluster.deployments.parts import spelled
from chunk7.cluster.deployments.proxy import render_for_compose
from chunk7.cluster.deployments.store_parts import delay_options, link_options
from chunk7.cluster.settings import RunSettings
from chunk7.faults.live import Need
from chunk7.wire.whole_files import write_whole

ROLES = "roles.json"
"""In the run folder: the words of each role's command, which {...} are filled in by the role."""

_NODE, _PRODUCER = "0.0.0.0:8080", "0.0.0.0:8081"
_STORE, _REPLICA, _LINK, _DELAY = (
    f"redis://{name}:6379/0" for name in ("store", "replica", "link", "delay")
)
_DELAY_CONTROL, _JUDGE = "http://delay:8082", "http://cluster:8090"
_STORE_PORT, _CONTROL = "0.0.0.0:6379", "0.0.0.0:8082"
"""Where whatever stands before the store listens."""
_MASTER_PORT = 5557


def write_roles(
    settings: RunSettings, layout: local.Local, folder: Path, inside: Path, run_name: str | None
) -> None:
    """Make `folder` a run folder that the parts can start in; they know it as `inside`.

    `layout` names files as the parts see them, `settings` as this process does. `run_name` None:
    each start of Locust takes a name of its own.
    """
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "nginx").mkdir(exist_ok=True)
    nginx = render_for_compose(8080, 8080, capacity(settings.plan.users))
    write_whole(folder / "nginx" / "nginx.conf", nginx)
    roles = _roles(settings, layout, inside, run_name or "{time}")
    write_whole(folder / ROLES, json.dumps(roles, indent=1) + "\n")


def _roles(
    settings: RunSettings, layout: local.Local, inside: Path, run_name: str
) -> dict[str, list[str]]:
    raw = inside / "raw"
    latency_ms = settings.plan.store_latency_ms
    around = around_store(latency_ms, layout.needs)
    behind = _LINK if "link" in around else _STORE
    near = _DELAY if "delay" in around else behind
    endpoints = local.Endpoints(_STORE, "ws://proxy:8080", "http://producer:8081")
    locust = ["locust", "-f", "{code}/loadtest/locustfile.py"]
    load_of = load_options(settings, endpoints, raw, run_name)
    load = spelled(load_of)
    control = _DELAY_CONTROL if latency_ms else None
    in_form = spelled({**load_of, **web_options(settings, _JUDGE, control)})
    processes = processes_options(settings.processes, _MASTER_PORT) if settings.processes else {}
    store = {"--redis": near}
    node = store | local.node_options(layout, _NODE, "{name}", raw, endpoints.producer)
    producer = store | local.producer_options(layout, _PRODUCER, "{name}", raw)
    delay = delay_options(_STORE_PORT, behind, latency_ms, _CONTROL)
    replica = "replica:6379" if "replica" in around else None
    link = link_options(_STORE_PORT, _STORE, _CONTROL, replica)
    lag, back = (delay_options(_STORE_PORT, of, 0, _CONTROL) for of in (_STORE, _REPLICA))
    web = ["--web-host", "0.0.0.0", "--web-port", "8089"]  # noqa: S104
    return {
        "node": ["chunk7.nodes", *spelled(node), *called("proxy")],
        "producer": ["chunk7.producer", *spelled(producer), *called("producer")],
        "delay": [
            "chunk7.cluster.deployments.delay_proxy",
            *(*spelled(delay), *called("delay")),
        ],
        "link": ["chunk7.cluster.deployments.store_link", *spelled(link), *called("link")],
        "lag": ["chunk7.cluster.deployments.delay_proxy", *spelled(lag), *called("lag")],
        "lag-back": ["chunk7.cluster.deployments.delay_proxy", *spelled(back), *called("lag-back")],
        "locust": [*locust, *in_form, "--master", *web, *called("locust")],
        "worker": [*locust, "--worker", "--master-host", "locust"],
        "load": [
            *(*locust, *load, *spelled(processes)),
            *("--headless", "--once", "--only-summary"),
        ],
        "cluster": [
            "chunk7.cluster.status.server",
            *called("cluster"),
            *spelled({"--ordering": layout.connect_files, "--write-ordering": layout.write_files}),
        ],
    }


def around_store(latency_ms: float, needs: frozenset[Need]) -> tuple[str, ...]:
    """The services beside and before the store, nearest to it first."""
    replica = ("replica", "lag") if Need.REPLICA in needs else ()
    link = ("link",) if Need.LINK in needs else ()
    delay = ("delay",) if latency_ms or Need.DELAY in needs else ()
    return (*replica, *link, *delay)


def called(name: str) -> tuple[str, str]:
    """Words for a part that others of the network ask for by this name."""
    return "--allow-host", name
