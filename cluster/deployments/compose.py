"""The cluster of `compose/` as `chunk7 run` and `chunk7 up` use it: a compose project of its own.

The run folder is bound into the containers, which find their commands in it (`roles.py`) and write
their records into it; so it is the same run folder as a local cluster leaves.
"""

import asyncio
import dataclasses
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from chunk7.cluster.deployments.compose_controls import BACK, REPLICA, STORE, ComposeControls
from chunk7.cluster.deployments.containers import Container, Containers, connect
from chunk7.cluster.deployments.local import can_have
from chunk7.cluster.deployments.parts import QUOTED_LINES
from chunk7.cluster.deployments.roles import around_store, write_roles
from chunk7.cluster.jobs.faults import FaultRecords, fault_records, follow_timetables
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.cluster.jobs.progress import follow
from chunk7.cluster.jobs.run import ClusterKind, check_answers, until_ended
from chunk7.cluster.jobs.run import prepare as new_run
from chunk7.cluster.jobs.up import Ports, recording
from chunk7.cluster.settings import RunSettings
from chunk7.delivery.errors import Chunk7Error, PartDied, UsageError
from chunk7.faults.live import Need

FILES = Path(str(files("chunk7"))).parent / "compose"
INSIDE = Path("/runs")
"""Where the containers see the run folder."""
NOBODY = 10_001
"""Who the containers are when chunk7 is run by root."""
INIT, LOAD = "init", "load"
SINGLE, STRUCK = "run.yaml", "struck.yaml"
"""Beside compose.yaml: what makes it the cluster of a single run, and one that can be struck."""
EVERY = ("--profile", "*")
"""Services of every profile are meant."""
_COMPOSE_WITHIN_S = 60.0
_READY_WITHIN_S = 60.0
_UP_WITHIN_S = 180.0
"""Everything, with Jupyter and Locust's workers, started one after the other."""
_POLL_S = 0.5
_LOOK_WITHIN_S = 20.0
_STOP_WITHIN_S = 10


def check(settings: RunSettings) -> None:
    """Raise UsageError, in a line that says what to do, if a compose cluster cannot be had so."""
    check_answers(settings)
    if settings.redis is not None:
        raise UsageError("--redis: not with --cluster compose, which has a store of its own")
    if not (FILES / "compose.yaml").is_file():
        raise UsageError(f"--cluster compose: no {FILES}: run chunk7 from its source folder")
    if shutil.which("docker") is None:
        raise UsageError("--cluster compose: no docker command: install Docker")
    plugin = subprocess.run(
        ["docker", "compose", "version"],  # noqa: S607 - the user's own docker
        capture_output=True,
        timeout=_LOOK_WITHIN_S,
    )
    if plugin.returncode:
        raise UsageError("--cluster compose: `docker compose` is not there: install Compose v2")
    try:
        client = connect()
    except UsageError as error:
        raise UsageError(f"--cluster compose: {error}") from error
    image = own_image()
    if not client.images.list(name=image):
        raise UsageError(
            f"--cluster compose: no image {image}: make it with `docker compose build` in "
            f"{FILES.parent}"
        )


def own_image() -> str:
    """The tag of the image of our own parts."""
    return f"chunk7:{os.environ.get('CHUNK7_TAG', 'local')}"


def facts() -> dict[str, Any]:
    """What a compose cluster is made of, for the manifest."""
    client = connect()
    image = client.images.get(own_image())
    return {"kind": "compose", "engine": client.version()["Version"], "image": image.id}


# --- chunk7 run ----------------------------------------------------------------------------


async def drive(settings: RunSettings, folder: Path, run_name: str, console: Console) -> None:
    """The whole load, once, from the first container's start to the last one's removal.

    Raises PartDied when a container ends that should not, Chunk7Error when Docker fails.
    """
    console.print(f"starting {settings.nodes} nodes in containers", highlight=False)
    # Checks by Docker would cost the cluster that is measured; `Stack.start` asks by itself.
    environment = {
        **prepare(settings, folder, run_name, settings.local.needs),
        "CHUNK7_HEALTH_INTERVAL": "60s",
    }
    more = (SINGLE, STRUCK) if settings.plan.faults else (SINGLE,)
    async with Stack(f"chunk7-run-{os.getpid()}", environment, folder, more) as stack:
        around = around_store(settings.plan.store_latency_ms, settings.local.needs)
        back = (BACK,) if REPLICA in around else ()
        parts = (STORE, *around, *back, "node", "producer", "proxy", LOAD)
        await stack.create(*parts, scale={"node": settings.nodes})
        await stack.start(STORE, *around)  # healthy once each has its way to the store
        await stack.start("node", "producer", "proxy")
        with fault_records(folder / "raw") as records:
            controls = await _controls(stack, settings, folder, records)
            if REPLICA in around:
                await controls.replicate()
            await stack.begin(LOAD)
            await _load_and_follow(stack, settings, controls, console, records)


async def _controls(
    stack: "Stack", settings: RunSettings, folder: Path, records: FaultRecords
) -> ComposeControls:
    listed = await asyncio.to_thread(stack.containers.list)
    latency_ms, on_death = settings.plan.store_latency_ms, records.planned_death
    return ComposeControls(stack.containers, listed, stack.planned, folder, latency_ms, on_death)


async def _load_and_follow(
    stack: "Stack",
    settings: RunSettings,
    controls: ComposeControls,
    console: Console,
    records: FaultRecords,
) -> None:
    """The load, to its end, and faults beside it. Raises Chunk7Error for what ends it early."""
    beside = [follow(controls.timetables, settings.cells.cells, console)]
    if settings.plan.faults:
        beside.append(follow_timetables(controls, controls.timetables, records))
    try:
        async with asyncio.timeout(settings.limit_s):
            await until_ended(stack.until_ended(LOAD), beside)
    except TimeoutError:
        late = f"the load test did not end within {settings.limit_s:.0f} s"
        raise Chunk7Error(late) from None


def prepare(
    settings: RunSettings, folder: Path, run_name: str | None, needs: frozenset[Need]
) -> dict[str, str]:
    """Make the run folder one that containers can start in; the environment for compose.

    `needs`: of the faults that may strike them.
    """
    layout = dataclasses.replace(
        settings.local,
        needs=needs,
        connect_files=_copied(settings.cells.connect_files, folder / "orderings" / "connect"),
        write_files=_copied(settings.cells.write_files, folder / "orderings" / "write"),
        answers=None if settings.answers is None else INSIDE / "answers",
    )
    for name in (STORE, REPLICA) if needs else ():
        (folder / name).mkdir()
    if settings.answers is not None:
        shutil.copytree(settings.answers, folder / "answers")
    write_roles(settings, layout, folder, INSIDE, run_name)
    return {
        "CHUNK7_RUNS": str(folder.absolute()),
        "CHUNK7_RUN": str(INSIDE),
        "CHUNK7_USER": _user(folder),
        "CHUNK7_OPTIONS": "",
    }


def _copied(specs: Sequence[str], into: Path) -> tuple[str, ...]:
    """The orderings' files, copied to where containers see them; what names them there."""
    named = []
    for number, spec in enumerate(specs, 1):
        path, _, name = spec.rpartition(":")
        copy = into / str(number) / Path(path).name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(path, copy)
        named.append(f"{INSIDE / copy.relative_to(into.parents[1])}:{name}")
    return tuple(named)


def _user(folder: Path) -> str:
    """Us, or nobody in root's place, who then is given the folder."""
    if os.geteuid() != 0:
        return f"{os.geteuid()}:{os.getegid()}"
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return f"{NOBODY}:{NOBODY}"


COMPOSE = ClusterKind(check, facts, drive)


# --- chunk7 up -----------------------------------------------------------------------------


def keep_running(settings: RunSettings, out: Path | None, ports: Ports, console: Console) -> None:
    """Start everything, the cluster's own log on stdout, and wait for a signal; then remove it.

    Raises Interrupted for the signal, UsageError for bad input, a port in use, or a cluster that is
    up already; PartDied when a container ends.
    """
    check(settings)
    ports.check_free()
    if Containers(connect(), "chunk7").list():
        raise UsageError("--cluster compose: one is there already: `docker compose down` first")
    folder, _ = new_run(settings, out)
    environment = {
        **prepare(settings, folder, None, can_have(None)),
        "CHUNK7_PORT": str(ports.websocket),
        "CHUNK7_WEB_PORT": str(ports.web),
        "CHUNK7_STATUS_PORT": str(ports.status),
    }
    console.print(f"starting {settings.nodes} nodes in containers", highlight=False)
    with recording(folder, console):
        run_interruptibly(_keep(settings, environment, folder))


async def _keep(settings: RunSettings, environment: dict[str, str], folder: Path) -> None:
    """Whatever is started in the web UI may have faults, so there is all that one of them needs."""
    async with Stack("chunk7", environment, folder, (STRUCK,)) as stack:
        around = around_store(settings.plan.store_latency_ms, can_have(None))
        up = stack.attach("cluster", *around, BACK, scale={"node": settings.nodes})
        with fault_records(folder / "raw") as records:
            await until_ended(up, [_strike(stack, settings, folder, records)])


async def _strike(
    stack: "Stack", settings: RunSettings, folder: Path, records: FaultRecords
) -> None:
    """Carry out the faults of all timetables, as soon as everything is up, until cancelled."""
    await stack.ready("cluster", within_s=_UP_WITHIN_S)
    controls = await _controls(stack, settings, folder, records)
    await controls.replicate()
    await follow_timetables(controls, controls.timetables, records)


# --- both ----------------------------------------------------------------------------------


class Stack:
    """A compose project, watched; leaving the block keeps its logs, stops it and removes it.

    `more`: of the files beside compose.yaml, those that it takes too.
    """

    def __init__(
        self, project: str, environment: Mapping[str, str], folder: Path, more: Sequence[str] = ()
    ) -> None:
        self._environment = {**os.environ, **environment}
        self._command = command(project, *more)
        self._single = SINGLE in more
        self._folder = folder
        self._count = 0
        self.containers = Containers(connect(), project)
        self.planned: set[str] = set()
        """The ids of containers whose end is no accident, until they run again."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await asyncio.to_thread(self._thaw)
            await self.compose(*EVERY, "stop", "--timeout", str(_STOP_WITHIN_S))
            await asyncio.to_thread(self._keep_logs)
        finally:
            # What somebody wrote in Jupyter is in a volume, and stays.
            volumes = ("--volumes",) if self._single else ()
            await self.compose(*EVERY, "down", *volumes, "--remove-orphans", "--timeout", "2")

    async def create(self, *services: str, scale: Mapping[str, int]) -> None:
        """Make the containers of these services, and start none."""
        await self.compose("create", "--no-build", *_scales(scale), *services)
        self._count = len(await asyncio.to_thread(self.containers.list))

    async def start(self, *services: str) -> None:
        """Start these services' containers and wait until all are healthy.

        Raises PartDied for one that ends, or is not healthy in time.
        """
        await self.begin(*services)
        await self.ready(*services)

    async def ready(self, *services: str, within_s: float = _READY_WITHIN_S) -> None:
        """Wait until all containers of these services are there and healthy.

        Raises PartDied for one that ends, or is not healthy in time.
        """
        unready = list(services)
        waiting: list[Container] = []
        try:
            async with asyncio.timeout(within_s):
                while unready or waiting:
                    listed = await self._look(may_end=INIT)
                    waiting += [c for c in listed if c.service in unready]
                    unready = [name for name in unready if name not in {c.service for c in listed}]
                    answers = [await asyncio.to_thread(self.containers.answers, c) for c in waiting]
                    waiting = [c for c, good in zip(waiting, answers, strict=True) if not good]
                    await asyncio.sleep(_POLL_S if unready or waiting else 0)
        except TimeoutError:
            lines = await asyncio.to_thread(self._last_lines, waiting[0]) if waiting else ""
            late = waiting[0].title if waiting else unready[0]
            raise PartDied(f"{late} was not ready within {within_s:g} s{lines}") from None

    async def begin(self, *services: str) -> None:
        """Start these services' containers, all at once, and wait for nothing."""
        found = await asyncio.to_thread(self.containers.list)
        wanted = [c for c in found if c.service in services]
        await asyncio.gather(*(asyncio.to_thread(self.containers.start, c) for c in wanted))

    async def until_ended(self, service: str) -> None:
        """Wait for the service's end with code 0. Raises PartDied for any other end."""
        while True:
            listed = await self._look(may_end=service)
            if all(c.status == "exited" for c in listed if c.service == service):
                return
            await asyncio.sleep(_POLL_S)

    async def compose(self, *words: str) -> None:
        """`docker compose WORDS` for this project. Raises Chunk7Error with its last line."""
        process = await self._spawn(*words, stdout=asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(_COMPOSE_WITHIN_S):
                _, errors = await process.communicate()
        except TimeoutError:
            late = f"docker compose {_verb(words)}: no end within {_COMPOSE_WITHIN_S:g} s"
            raise Chunk7Error(late) from None
        finally:
            await _ended(process)
        if process.returncode:
            raise Chunk7Error(f"docker compose {_verb(words)}: {_last_line(errors)}")

    async def attach(self, *services: str, scale: Mapping[str, int]) -> None:
        """Start these and what they depend on, show the first one's log, and stay.

        Raises PartDied when a container ends, Chunk7Error when compose does.
        """
        options = ("--no-build", "--attach", services[0], "--no-log-prefix")
        process = await self._spawn("up", *options, *_scales(scale), *services, stdout=None)
        try:
            ending = asyncio.create_task(process.communicate())
            while not ending.done():
                await self._look(may_end=INIT)
                await asyncio.wait({ending}, timeout=1)
            _, errors = ending.result()
            raise Chunk7Error(f"docker compose up ended: {_last_line(errors)}")
        finally:
            await _ended(process)

    async def _spawn(self, *words: str, stdout: int | None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,  # a Ctrl-C is for chunk7, which then stops all in order
        )

    async def _look(self, may_end: str = "") -> tuple[Container, ...]:
        """Everything there is. Raises PartDied when something has ended, or is gone.

        An end that was planned as the look began, or is as it ends, is none: it may be undone by
        then.
        """
        planned = set(self.planned)
        listed = await asyncio.to_thread(self.containers.list)
        planned |= self.planned
        for container in listed:
            ended = container.status in ("exited", "dead") and container.id not in planned
            if ended and (container.service != may_end or container.exit_code):
                lines = await asyncio.to_thread(self._last_lines, container)
                how = _how(container.exit_code)
                raise PartDied(f"{container.title} {how}{lines}")
        if len(listed) < self._count:
            raise PartDied("a container was removed while it was needed")
        return listed

    def _last_lines(self, container: Container) -> str:
        lines = self.containers.logs(container, QUOTED_LINES).splitlines()
        return ":" + "".join(f"\n  {line}" for line in lines) if lines else " (it wrote nothing)"

    def _thaw(self) -> None:
        """What stands still would not heed a stop."""
        for container in self.containers.list():
            if container.status == "paused":
                self.containers.unpause(container)

    def _keep_logs(self) -> None:
        (self._folder / "logs").mkdir(exist_ok=True)
        for container in self.containers.list():
            path = self._folder / "logs" / f"{container.title}.log"
            path.write_text(self.containers.logs(container))


def command(project: str, *more: str) -> list[str]:
    """`docker compose` for this project."""
    files = [word for name in ("compose.yaml", *more) for word in ("--file", str(FILES / name))]
    return ["docker", "compose", "--project-name", project, *files]


async def _ended(process: asyncio.subprocess.Process) -> None:
    """The command is over, by force if need be; what it started is not touched."""
    if process.returncode is None:
        process.kill()
        await process.wait()


def _verb(words: Sequence[str]) -> str:
    """`create` and the like: options of compose itself come before it."""
    return words[2] if words[0] == EVERY[0] else words[0]


def _scales(scale: Mapping[str, int]) -> list[str]:
    return [f"--scale={name}={count}" for name, count in scale.items()]


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def _how(code: int) -> str:
    """Docker's exit codes above 128 are signals."""
    if code > 128 and code - 128 in list(signal.Signals):
        return f"was killed by {signal.Signals(code - 128).name}"
    return f"ended by itself with exit code {code}"
