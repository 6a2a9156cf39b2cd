"""The main job: a cluster, a load, and what was recorded of it, judged.

Whatever ends the load (its timetable, a dead part, a signal), everything is stopped, and what was
recorded until then is gathered and judged; then the run is not valid, and says why.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from chunk7.analysis.manifest import SETTLE_MS, Manifest, TargetFacts, write_manifest
from chunk7.cluster.deployments import load, local
from chunk7.cluster.deployments.local import Endpoints
from chunk7.cluster.deployments.local_controls import LocalControls
from chunk7.cluster.deployments.open_files import allow_files
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.jobs.faults import FaultRecords, fault_records, follow_timetables
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.cluster.jobs.progress import follow, timetable_of
from chunk7.cluster.jobs.surroundings import surroundings
from chunk7.cluster.jobs.unexpected import as_line
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.wire.folders import make_empty
from chunk7.wire.store.option import without_password

if TYPE_CHECKING:
    from chunk7.analysis.results import Summary
    from chunk7.analysis.study import Study

FOREIGN_SETTLE_MS = 1_000
"""Nobody knows how long somebody else's back end takes; ours is quicker (`SETTLE_MS`)."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a run. `error` is what ended it early, or what could not be written of it.

    `study` is None then, and when the records are damaged; `summary` says so.
    """

    folder: Path
    summary: "Summary"
    study: "Study | None"
    error: Chunk7Error | None


@dataclass(frozen=True, slots=True)
class ClusterKind:
    """A kind of cluster: what it cannot do, what it is made of, and how it is driven."""

    check: Callable[[RunSettings], None]
    facts: Callable[[], dict[str, Any]]
    drive: Callable[[RunSettings, Path, str, Console], Coroutine[Any, Any, None]]
    """From the first part's start to the last one's stop, given the run folder and run's name."""


def execute(
    settings: RunSettings, out: Path | None, console: Console, kind: ClusterKind | None = None
) -> RunOutcome:
    """Do a whole run, on this kind of cluster (None: local); progress goes to `console`.

    Raises UsageError and StoreUnreachable, before anything is started, for input that cannot be
    used. What goes wrong later is in the outcome.
    """
    kind = kind or LOCAL
    kind.check(settings)
    folder, run_name = prepare(settings, out)
    write_manifest(folder, _manifest(settings, run_name, kind.facts()))
    error = _attempt(kind.drive(settings, folder, run_name, console), folder)
    from chunk7.cluster.jobs.judge import judge

    summary, study, unwritten = judge(folder, error)
    return RunOutcome(folder, summary, study, error or unwritten)


def check(settings: RunSettings) -> None:
    """Raise UsageError or StoreUnreachable for what cannot be used."""
    check_answers(settings)
    allow_files(settings.plan.users, each=2)  # in the proxy: the client's, and the node's
    if settings.redis is not None:
        run_interruptibly(local.check_store(settings.redis, settings.plan.store_latency_ms))


def check_answers(settings: RunSettings) -> None:
    """Raise UsageError for answers of somebody's own that cannot be used."""
    if settings.answers is not None:
        # Imported here: it brings numpy, 0.1 s before the cluster. The producer reads its own.
        from chunk7.producer.answers import read_answers

        read_answers(settings.answers)


def prepare(settings: RunSettings, out: Path | None) -> tuple[Path, str]:
    """An empty run folder, and a name for the run that no other on the same store has."""
    started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = new_folder(out or Path("runs", f"{started}-{settings.plan.seed}"))
    return folder, f"{started}-{settings.plan.seed}-{os.getpid()}"


def new_folder(folder: Path) -> Path:
    """Make an empty run folder; raises UsageError if there is something in it."""
    try:
        (make_empty(folder) / "logs").mkdir()
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error
    return folder


def _attempt(drive: Coroutine[Any, Any, None], folder: Path) -> Chunk7Error | None:
    """Run the load; what ended it early, or None. An unforeseen error leaves its trace in a log."""
    try:
        run_interruptibly(drive)
    except Chunk7Error as error:
        return error
    except Exception as error:
        return as_line(error, folder)
    return None


async def _drive(settings: RunSettings, folder: Path, run_name: str, console: Console) -> None:
    """From the first part's start to the last one's stop."""
    console.print(f"starting a cluster of {settings.nodes} nodes", highlight=False)
    async with Cluster(folder) as cluster:
        # Held: Locust takes as long to import as all of them, and there is a second core.
        locust = partial(load.headless, settings, folder=folder, run_name=run_name)
        endpoints = await local.start(cluster, settings.local, folder, locust)
        with fault_records(folder / "raw") as records:
            faults = local_faults(cluster, settings, endpoints, folder, records)
            await load_and_follow(cluster, settings, endpoints, console, faults)


def local_faults(
    cluster: Cluster,
    settings: RunSettings,
    endpoints: Endpoints,
    folder: Path,
    records: FaultRecords,
) -> Coroutine[Any, Any, None]:
    """Carry out whatever faults the producer's timetables have, until cancelled."""
    latency_ms = settings.plan.store_latency_ms
    controls = LocalControls(cluster, endpoints, folder, latency_ms, records.planned_death)
    return follow_timetables(controls, partial(timetable_of, endpoints.producer), records)


async def load_and_follow(
    cluster: Cluster,
    settings: RunSettings,
    endpoints: Endpoints,
    console: Console,
    faults: Coroutine[Any, Any, None] | None = None,
) -> None:
    """Let go the cluster's Locust, and follow it to its end while the cluster is alive.

    `faults`: what carries them out meanwhile, for as long as Locust runs. Raises Chunk7Error for
    what ends early.
    """
    locust = cluster.process(load.LOCUST)
    locust.let_go()
    if not settings.plan.faults:  # an import would hold up one that is due early: it is left out
        _import_beside("chunk7.cluster.jobs.judge")  # half a second: nothing is streamed yet
    timetables = partial(timetable_of, endpoints.producer)
    beside = [follow(timetables, settings.cells.cells, console)]
    beside += [] if faults is None else [faults]
    try:
        async with asyncio.timeout(settings.limit_s):
            await cluster.while_alive(until_ended(locust.wait(), beside))
    except TimeoutError:
        late = f"the load test did not end within {settings.limit_s:.0f} s"
        raise Chunk7Error(late + locust.last_lines()) from None
    _import_beside("scipy.special")  # a quarter of a second, while the cluster stops


def _import_beside(module: str) -> None:
    # In a thread that nobody waits for: who needs the module soon waits for it by importing it.
    asyncio.get_running_loop().run_in_executor(None, import_module, module)


async def until_ended(
    load: Coroutine[Any, Any, object], beside: list[Coroutine[Any, Any, None]]
) -> None:
    """Wait for the load; raises at once what it or any of the others raises."""
    others = {asyncio.create_task(work) for work in beside}
    ending = asyncio.create_task(load)
    waited_for = {ending, *others}
    try:
        while not ending.done():
            done, waited_for = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            for task in done & others:
                task.result()
        ending.result()
    finally:
        for task in (ending, *others):
            task.cancel()
        await asyncio.gather(ending, *others, return_exceptions=True)


LOCAL = ClusterKind(check, lambda: {"kind": "local"}, _drive)


def _target(adapter: Adapter) -> TargetFacts:
    """As it is written down, without what the environment put into it."""
    ask = adapter.ask
    return TargetFacts(
        name=adapter.name,
        url=adapter.written["url"],
        file=adapter.file,
        reference="producer"
        if ask is None
        else ask.reference
        if isinstance(ask.reference, str)
        else "answer",
    )


def _manifest(settings: RunSettings, run_name: str, facts: dict[str, Any]) -> Manifest:
    cells = settings.cells
    return Manifest(
        plan=settings.named(run_name),
        traits=dict(cells.traits),
        settle_ms=SETTLE_MS if settings.adapter is None else FOREIGN_SETTLE_MS,
        target=None if settings.adapter is None else _target(settings.adapter),
        explored=dict(cells.explored),
        extra={
            "settings": {
                "nodes": settings.nodes,
                "stream_max_entries": settings.stream_max_entries,
                "answers": str(settings.answers) if settings.answers else None,
                "redis": without_password(settings.redis) if settings.redis else None,
                "processes": settings.processes,
                "thresholds": [threshold.text for threshold in settings.thresholds],
                "connect_files": list(cells.connect_files),
                "write_files": list(cells.write_files),
            },
            "cluster": facts,
            **surroundings(),
        },
    )
