"""What runs beside somebody else's back end: who makes its answers, as its adapter says.

```
Locust --ws, sse--> the target <-- its store <-- producer      (produce: ours writes its chunks)
Locust --ws, sse--> the target <------- asking                 (ask: it makes its answers itself)
```
"""

from pathlib import Path

import msgspec

from chunk7.cluster.deployments.load import target_options
from chunk7.cluster.deployments.local import Endpoints
from chunk7.cluster.deployments.parts import HOST, Part, python
from chunk7.cluster.deployments.probes import answers_http, free_ports
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.settings import RunSettings
from chunk7.loadtest.targets.adapter import Adapter, ProduceRule
from chunk7.wire.store.option import ENVIRONMENT
from chunk7.wire.whole_files import write_whole


async def start(
    cluster: Cluster, adapter: Adapter, settings: RunSettings, folder: Path
) -> Endpoints:
    """Start the producer, or who asks; where the target and it are reached."""
    [port] = free_ports(1)
    if adapter.produce is not None:
        await cluster.start(_producer(adapter.produce, settings, folder, port))
    else:
        await cluster.start(_asking(adapter, folder, port))
    return Endpoints(
        store=settings.redis or "", websocket=adapter.url, producer=f"http://{HOST}:{port}"
    )


def _producer(production: ProduceRule, settings: RunSettings, folder: Path, port: int) -> Part:
    assert settings.redis is not None, "settings have been checked"
    layout = folder / "layout.json"
    write_whole(layout, msgspec.json.encode(production.templates()))
    options: dict[str, object] = {
        "--listen": f"{HOST}:{port}",
        "--name": "producer",
        "--records": folder / "raw",
        "--layout": layout,
        "--history-ttl-s": production.ttl_s,
        "--ordering": settings.cells.write_files,
    }
    if settings.answers is not None:
        options["--answers"] = settings.answers
    if settings.stream_max_entries is not None:
        options["--stream-max-entries"] = settings.stream_max_entries
    return Part(
        "producer",
        python("chunk7.producer", options),
        folder / "logs" / "producer.log",
        ready=answers_http(HOST, port),
        environment={ENVIRONMENT: settings.redis},
    )


def _asking(adapter: Adapter, folder: Path, port: int) -> Part:
    options: dict[str, object] = {
        **target_options(adapter),
        "--listen": f"{HOST}:{port}",
        "--records": folder / "raw",
    }
    return Part(
        "reference",
        python("chunk7.loadtest.asking", options),
        folder / "logs" / "reference.log",
        ready=answers_http(HOST, port),
    )
