"""`make gallery`: every member's variants measured through their adapters, beside what is recorded.

    python examples/gallery.py [MEMBER[:VARIANT] ...] [--at-once N] [--out DIR]

For each variant of a member (`examples/NAME/member.yaml`): a store of its own, the member's program
on a free port, `chunk7 run --target` against it, and `chunk7 watch` beside it. Exit code 1 where
something was found that the member's file and docs/gallery.md do not say. `steer` is what
`chunk7 steer` has to say of a variant; the tests call it.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table

from chunk7.analysis.study import open_study
from chunk7.cluster.deployments.parts import Part, Process
from chunk7.cluster.deployments.probes import accepts, free_ports
from chunk7.cluster.deployments.store_parts import store_part
from chunk7.cluster.deployments.supervise import Cluster
from chunk7.cluster.jobs.interrupts import run_interruptibly
from chunk7.delivery.errors import Chunk7Error, Interrupted, UsageError

EXAMPLES = Path(__file__).parent
PROGRAMS = EXAMPLES.parent / ".venv-gallery" / "bin"
HOST, WRITTEN_PORT = "127.0.0.1", "127.0.0.1:8000"
"""What a target.yaml says; the copy that is run has the port that was free."""
RUN = {"users": 24, "sessions": 3, "chunk_rate": 100, "duration": 3}
"""Options of `chunk7 run` where a member's file has no others."""
ATTEMPTS = 3
"""A machine that was busy with something else makes a run not valid: again, then."""
NOT_VALID, NO_JOINS = 98, 98
STEER_WITHIN_S = 600.0
RUN_WITHIN_S, WATCH_ENDS_WITHIN_S = 120.0, 20.0


class Steering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How `chunk7 steer` is told about a member: options with the rules that its layout does not
    give, by role, and by how many `processes`: answers are then made in the second one. `start`:
    how each of these is started, if not as the member is.
    """

    start: list[str] = []
    rules: dict[str, list[str]] = {}
    processes: int = 1


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`finds`: by write ordering (`ask` where the target itself starts answers), what is recorded;
    of what `rarely` loses nothing is asked but that it delivers.

    `watch`: what `chunk7 watch` must say of a join at least; None: nothing is asked of it.
    `steer`: by write ordering, the verdict of `chunk7 steer`; empty: it cannot be steered. Of a
    client that comes back, if `comeback`.
    `program`: what stands for `{variant}` in the member's `start`, if not the variant's name.
    """

    target: str
    equals: str
    finds: dict[str, Literal["loses", "rarely", "keeps"]]
    program: str | None = None
    environment: dict[str, str] = {}
    run: dict[str, float] = {}
    watch: Literal["raced", "ordered", "unknown"] | None = None
    steer: dict[str, Literal["loses", "survives", "unknown"]] = {}
    comeback: bool = False


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One folder of the gallery. In `start`, {variant}, {folder} and {port} are filled in.

    `watch`: options of `chunk7 watch`; empty: it can see nothing of this member.
    """

    start: list[str]
    variants: dict[str, Variant]
    watch: dict[str, list[str]] = {}
    run: dict[str, float] = {}
    steer: Steering = Steering()


@dataclass(frozen=True, slots=True)
class Case:
    """A variant of a member."""

    folder: Path
    member: Member
    name: str

    @property
    def variant(self) -> Variant:
        return self.member.variants[self.name]

    @property
    def label(self) -> str:
        return f"{self.folder.name}:{self.name}"


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found: the document of the run, and the summary of the watch if there was one.

    `differ`: joins of which the watch says that they lost chunks, and the run not the same ones.
    """

    run: dict[str, Any]
    watch: dict[str, Any] | None
    differ: int = 0

    def strange(self, variant: Variant) -> Iterator[str]:
        """In what it is not as recorded; a sentence each."""
        results = self.run["results"]
        if [result["write"] for result in results] != list(variant.finds):
            yield f"measured {[result['write'] for result in results]}"
        for result in results:
            yield from _strange_result(result, variant.finds.get(result["write"], "keeps"))
        if "keeps" in variant.finds.values() and not self.run["valid"]:
            yield f"not valid: {'; '.join(self.run['invalid_because'])}"
        if variant.watch is not None and not self._seen(variant.watch):
            yield f"watch saw no join that is {variant.watch}"
        if self.differ:
            yield f"watch names other chunks than the run for {self.differ} of the joins that lost"

    def _seen(self, what: str) -> bool:
        watch = self.watch or {}
        return any(watch.get(name) for name in (("lost", "lucky") if what == "raced" else (what,)))


def _strange_result(result: dict[str, Any], recorded: str) -> Iterator[str]:
    lossy, joins = result["lossy_connections"], result["connections"]
    if not joins or not result["chunks_delivered"]:
        yield f"{result['write']}: {joins} joins received {result['chunks_delivered']} chunks"
    elif recorded != "rarely" and (lossy > 0) != (recorded == "loses"):
        yield f"{result['write']}: {lossy} of {joins} joins lost a chunk; recorded: {recorded}"


def cases(wanted: Sequence[str] = ()) -> list[Case]:
    """All variants, or those of MEMBER or MEMBER:VARIANT. Raises UsageError for others."""
    every = [
        Case(path.parent, member, name)
        for path in sorted(EXAMPLES.glob("*/member.yaml"))
        for member in [msgspec.yaml.decode(path.read_bytes(), type=Member)]
        for name in member.variants
    ]
    for word in wanted:
        if not any(word in (case.label, case.folder.name) for case in every):
            known = ", ".join(dict.fromkeys(case.folder.name for case in every))
            raise UsageError(f"{word}: one of {known}, or MEMBER:VARIANT")
    return [c for c in every if not wanted or {c.label, c.folder.name} & {*wanted}]


def missing(case: Case) -> str | None:
    """What must be installed before the case can be measured."""
    program = case.member.start[0]
    if program == "node":
        installed = shutil.which("node") and (case.folder / "node_modules").is_dir()
    else:
        installed = (PROGRAMS / program).exists()
    return None if installed else f"no {program} for {case.label}: `make gallery-env` installs it"


async def measure(case: Case, folder: Path) -> Measured:
    """Start everything, run, watch, stop everything. Again if the run was not valid."""
    for attempt in range(1, ATTEMPTS + 1):
        place = folder / f"{case.folder.name}-{case.name}-{attempt}"
        place.mkdir(parents=True)
        async with Cluster(place) as cluster:
            found = await _measure_once(case, place, cluster)
        if found.run["valid"]:
            break
    return found


async def _measure_once(case: Case, place: Path, cluster: Cluster) -> Measured:
    store_port, port = free_ports(2)
    store = f"redis://{HOST}:{store_port}/0"
    await cluster.start(store_part(place, store_port))
    await cluster.start(_program(case, place, port, store))
    target = place / Path(case.variant.target).name
    written = (case.folder / case.variant.target).read_text()
    target.write_text(written.replace(WRITTEN_PORT, f"{HOST}:{port}"))
    watch = await Process.start(_watch(case, place, store)) if case.member.watch else None
    run = await Process.start(_run(case, place, store, target))
    try:
        code = await cluster.while_alive(asyncio.wait_for(run.wait(), RUN_WITHIN_S))
        if code not in (0, NOT_VALID):
            raise run.death()
        seen = await _watched(watch, place) if watch else None
    finally:
        for process in (run, watch):
            if process is not None:
                await process.stop(1.0)
    found = json.loads((place / "run" / "summary.json").read_bytes())
    if seen is None:
        return Measured(found, None)
    return Measured(found, seen["summary"], _differ(place / "run", seen["joins"]))


async def _watched(watch: Process, place: Path) -> dict[str, Any]:
    """End it as Ctrl-C would; its document."""
    if watch.alive:
        os.kill(watch.pid, signal.SIGINT)
    code = await asyncio.wait_for(watch.wait(), WATCH_ENDS_WITHIN_S)
    if code not in (0, NO_JOINS):
        raise watch.death()
    document: dict[str, Any] = json.loads((place / "watch" / "watch.json").read_bytes())
    return document


def _differ(run_dir: Path, joins: list[dict[str, Any]]) -> int:
    """Joins that lost by the watch, without a connection of the run that lost the same chunks."""
    theirs = Counter(
        (join["session"], frozenset((c["message_id"], c["index"]) for c in join["chunks_lost"]))
        for join in joins
        if join["verdict"] == "lost"
    )
    if not theirs:
        return 0
    losses = open_study(run_dir).losses.groupby(["session_id", "connection_id"])
    ours = Counter(
        (session, frozenset(zip(lost["message_id"], lost["index"], strict=True)))
        for (session, _), lost in losses
    )
    return (theirs - ours).total()


# --- what is started ---


def _program(case: Case, place: Path, port: int, store: str) -> Part:
    """The member's program: of .venv-gallery, of the member's node_modules, or of PATH."""
    return Part(
        "program",
        _command(case, case.member.start, str(port)),
        place / "logs" / "program.log",
        ready=lambda: accepts(HOST, port),
        environment={"REDIS_URL": store, "PORT": str(port), **_environment(case)},
    )


def _command(case: Case, start: Sequence[str], port: str) -> tuple[str, ...]:
    values = {
        "variant": case.variant.program or case.name,
        "folder": str(case.folder),
        "port": port,
    }
    name, *words = (word.format(**values) for word in start)
    program = shutil.which(name, path=_environment(case)["PATH"])
    if program is None:
        raise Chunk7Error(f"{case.label}: no program {name}: `make gallery` installs it")
    return (program, *words)


def _environment(case: Case) -> dict[str, str]:
    places = (PROGRAMS, case.folder / "node_modules" / ".bin")
    return {
        "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
        "PYTHONPATH": str(case.folder),
        "NODE_PATH": str(case.folder),
        **case.variant.environment,
    }


def _watch(case: Case, place: Path, store: str) -> Part:
    patterns = [
        word
        for option, names in case.member.watch.items()
        for name in names
        for word in (f"--{option}", name)
    ]
    out = ("--out", place / "watch", "--json", "--duration", str(RUN_WITHIN_S))
    return _chunk7("watch", place, "--redis", store, *patterns, *out)


def _run(case: Case, place: Path, store: str, target: Path) -> Part:
    options = {**RUN, **case.member.run, **case.variant.run}
    words = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", f"{value:g}")
    ]
    out = ("--out", place / "run", "--json", "--no-report")
    return _chunk7("run", place, "--target", target, "--redis", store, *words, *out)


def _chunk7(command: str, place: Path, *words: str | Path) -> Part:
    line = (sys.executable, "-P", "-m", "chunk7", command, *words)
    return Part(command, line, place / "logs" / f"{command}.log", orphan_signal=signal.SIGTERM)


# --- steered ---


async def steer(case: Case, place: Path, *options: str) -> list[dict[str, Any]]:
    """What `chunk7 steer` finds, a document a write ordering. It starts the program itself."""
    target = place / "target.yaml"
    target.write_bytes(msgspec.yaml.encode(_started(case)))
    words = [
        word
        for role, rules in case.member.steer.rules.items()
        for rule in rules
        for word in (f"--{role}", rule)
    ]
    if case.variant.comeback:
        words.append("--comeback")
    out = ("--out", place / "steer")
    steering = await Process.start(
        _chunk7("steer", place, "--target", target, *words, *out, *options)
    )
    try:
        code = await asyncio.wait_for(steering.wait(), STEER_WITHIN_S)
    finally:
        await steering.stop(1.0)
    if code not in (0, NOT_VALID):
        raise steering.death()
    results: list[dict[str, Any]] = json.loads((place / "steer" / "steer.json").read_bytes())[
        "results"
    ]
    return results


def _started(case: Case) -> dict[str, Any]:
    """The variant's adapter, and how it is started."""
    adapter: dict[str, Any] = msgspec.yaml.decode((case.folder / case.variant.target).read_bytes())
    steering = case.member.steer
    adapter["start"] = {
        "command": _command(case, steering.start or case.member.start, "{port}"),
        "processes": steering.processes,
        "environment": _environment(case),
        "folder": str(case.folder),
    }
    return adapter


# --- all of them, and the table ---


async def gallery(every: Sequence[Case], folder: Path, at_once: int) -> list[Measured]:
    """Measure all, so many at a time, in their order. The first failure ends all."""
    free = asyncio.Semaphore(at_once)

    async def one(case: Case) -> Measured:
        async with free:
            return await measure(case, folder)

    async with asyncio.TaskGroup() as tasks:
        measuring = [tasks.create_task(one(case)) for case in every]
    return [task.result() for task in measuring]


def table(every: Sequence[Case], found: Sequence[Measured]) -> Table:
    """A row a cell of each variant's run."""
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in ("member:variant x write", "equals"):
        shown.add_column(heading, overflow="fold")
    for heading in ("joins", "lossy", "lost", "dup.", "watch: lost/lucky/ordered/unknown"):
        shown.add_column(heading, justify="right")
    shown.add_column("as recorded")
    for case, measured in zip(every, found, strict=True):
        strange = [*measured.strange(case.variant)]
        for result in measured.run["results"]:
            shown.add_row(*_row(case, measured, result, strange), style="red" if strange else None)
    return shown


def _row(
    case: Case, measured: Measured, result: dict[str, Any], strange: list[str]
) -> tuple[str, ...]:
    watch = measured.watch
    verdicts = ("lost", "lucky", "ordered", "unknown")
    return (
        f"{case.label} x {result['write']}",
        case.variant.equals,
        str(result["connections"]),
        str(result["lossy_connections"]),
        str(result["chunks_lost"]),
        str(result["chunks_duplicate"]),
        "/".join(str(watch[name]) for name in verdicts) if watch else "-",
        "no" if strange else "yes",
    )


def main(words: Sequence[str]) -> int:
    """Measure, print, and say whether all was as recorded."""
    parser = argparse.ArgumentParser(prog="gallery.py", description=str(__doc__).split("\n")[0])
    parser.add_argument("member", nargs="*", help="MEMBER or MEMBER:VARIANT (default: all)")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="variants at a time")
    parser.add_argument("--out", type=Path, help="where logs and run folders go")
    args = parser.parse_args(words)
    folder = args.out or Path("runs") / time.strftime("gallery-%Y%m%d-%H%M%S")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    try:
        every = cases(args.member)
        found = run_interruptibly(gallery(every, folder.resolve(), max(1, args.at_once)))
    except (Chunk7Error, ExceptionGroup) as error:
        problems = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        for problem in problems:
            if not isinstance(problem, Chunk7Error):
                raise
            sys.stderr.write(f"gallery: {problem}\n")
        return 2 if isinstance(error, UsageError) else 130 if isinstance(error, Interrupted) else 1
    console.print(table(every, found))
    console.print(f"\nrun folders: {folder}")
    strange = [
        f"{case.label}: {sentence}"
        for case, measured in zip(every, found, strict=True)
        for sentence in measured.strange(case.variant)
    ]
    for sentence in strange:
        console.print(f"NOT AS RECORDED: {sentence}", style="bold red", soft_wrap=True)
    return int(bool(strange))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
