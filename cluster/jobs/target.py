"""A run against somebody else's back end: the same users, records and verdicts, no nodes."""

import dataclasses
from pathlib import Path

from rich.console import Console

from chunk7.cluster.deployments import foreign, load, local, started
from chunk7.cluster.deployments.open_files import allow_files
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.cluster.jobs.run import ClusterKind, check_answers, load_and_follow
from chunk7.cluster.settings import RunSettings


def check(settings: RunSettings) -> None:
    """Raise UsageError or StoreUnreachable for what cannot be used."""
    check_answers(settings)
    allow_files(settings.plan.users, each=1)
    if settings.redis is not None:
        run_interruptibly(local.check_store(settings.redis, 0.0))


async def _drive(settings: RunSettings, folder: Path, run_name: str, console: Console) -> None:
    adapter = settings.adapter
    assert adapter is not None, "this kind of cluster is that of an adapter"
    async with Cluster(folder) as cluster:
        if adapter.start is None:
            console.print(f"joining {adapter.name} at {adapter.written['url']}", highlight=False)
        else:
            console.print(started.starting(adapter), highlight=False)
            adapter = await started.start(cluster, adapter, settings.redis, folder)
            settings = dataclasses.replace(settings, adapter=adapter)
        endpoints = await foreign.start(cluster, adapter, settings, folder)
        await cluster.start(load.headless(settings, endpoints, folder, run_name))
        await load_and_follow(cluster, settings, endpoints, console)


TARGET = ClusterKind(check, lambda: {"kind": "target"}, _drive)
