"""`chunk7 reproduce`: the bug report's scenario, or any schedule, step by step on a real store."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chunk7.cluster.options import Subparsers, add_json, add_out, add_seed
from chunk7.console import known_width
from chunk7.delivery.effects import StreamRead
from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import ConnectOrdering, Feed, WriteOrdering, pair
from chunk7.delivery.own_client import resolve_client
from chunk7.delivery.registry import performed_live, resolve
from chunk7.faults import STRIKES
from chunk7.faults.fault import MAX_STRIKES
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore import schedule as schedules
from chunk7.simulator.explore.drawing import drawn, rerun
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.simulator.explore.state import ExploreCell
from chunk7.wire.folders import make_folder
from chunk7.wire.options import Parser
from chunk7.wire.store.option import add_redis
from chunk7.wire.visible import visible
from chunk7.wire.whole_files import write_whole

if TYPE_CHECKING:
    from chunk7.cluster.jobs.reproduction import Reproduction, Seen

SCHEMA = 1
KEEP_MS = 600_000
"""How long the session's keys stay in a store of the user's own."""
_PUBLISHES = ("publish", "save_and_publish", "number_save_and_publish")


def add_parser(subparsers: "Subparsers[Parser]") -> None:
    """The options of `chunk7 reproduce`."""
    parser = subparsers.add_parser(
        "reproduce",
        description="Executes one schedule on a real store, each step after the one before it, "
        "prints what the store answered and draws the timeline. Without --schedule: the bug "
        "report's, in which chunk 7 is written while the client joins.",
    )
    for option, side, default in (
        ("--connect", "connect", "history_then_subscribe"),
        ("--write", "write", "publish_then_save"),
    ):
        parser.add_argument(
            option,
            metavar="NAME",
            help=f"{side} ordering: a name, or path/to/file.py:name (default: the schedule's, "
            f"else {default})",
        )
    parser.add_argument(
        "--schedule",
        type=Path,
        metavar="FILE",
        help="a schedule that `chunk7 explore --out` wrote (default: the bug report's)",
    )
    add_redis(parser, "the store to use; without, a valkey-server of our own")
    add_seed(parser)
    add_out(parser, "nowhere; with it, reproduce.json, schedule.json and timeline.txt")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Reproduce, print, write; 0. Raises Chunk7Error."""
    # Imported here and below: the help should not wait for the store's client.
    from chunk7.cluster.jobs.interrupts import run_interruptibly

    cell, schedule = _what(args)
    done = run_interruptibly(_reproduce(args, cell, schedule))
    if args.out:
        _write(args, done)
    if args.json:
        sys.stdout.write(json.dumps(_document(done)) + "\n")
    else:
        sys.stdout.write(visible("\n" + _timeline(args, done, known_width())))
    return 0


# --- what to reproduce ---


def _what(args: argparse.Namespace) -> tuple[ExploreCell, Schedule]:
    """The cell and the schedule; somebody's own files are tried out in memory first."""
    from chunk7.cluster.jobs.rehearsal import rehearse

    given = schedules.load(args.schedule) if args.schedule else None
    specs = (
        args.connect or (given.connect if given else "history_then_subscribe"),
        args.write or (given.write if given else None),
    )
    client = given.client if given else None

    def attempt(_: object) -> Iterator[None]:
        rerun(*_prepared(args, given, *specs))
        yield

    rehearse(filter(None, (*specs, client)), attempt)
    return _prepared(args, given, *specs)


def _prepared(
    args: argparse.Namespace, given: Schedule | None, connect_spec: str, write_spec: str | None
) -> tuple[ExploreCell, Schedule]:
    from chunk7.cluster.jobs.reproduction import CHUNKS, seed_schedule

    connect = _ordering("--connect", connect_spec, CONNECT_ORDERINGS, ConnectOrdering)
    default = "publish_then_save" if connect.feed is Feed.PUBSUB else "stream_append"
    write = _ordering("--write", write_spec or default, WRITE_ORDERINGS, WriteOrdering)
    if not pair(connect, write):
        raise UsageError(
            f"--connect {connect.name} does not pair with --write {write.name}: "
            "one uses Pub/Sub, the other a stream"
        )
    performed_live(write, "--write")
    if given is None:
        cell = ExploreCell(connect, write, CHUNKS)
        return cell, seed_schedule(cell)
    for name in given.faults:
        if name not in STRIKES:
            raise UsageError(f"{args.schedule}: fault {name}: one of {', '.join(STRIKES)}")
        if given.faults.count(name) > MAX_STRIKES:
            raise UsageError(f"{args.schedule}: fault {name}: may strike 1 to {MAX_STRIKES} times")
    if given.replica is not None:
        raise UsageError(
            f"{args.schedule}: replica {given.replica}: explored only; the one store "
            "that this command starts has none"
        )
    client = resolve_client(given.client, f"{args.schedule}: client") if given.client else None
    cell = ExploreCell(
        connect,
        write,
        given.chunks,
        given.joiners,
        given.faults,
        resumes=given.resumes,
        life=given.life,
        client=client,
        contract=given.contract,
    )
    return cell, replace(given, connect=connect.name, write=write.name)


def _ordering(option: str, spec: str, registry: Any, kind: Any) -> Any:
    return replace(resolve(spec, registry, kind, option), name=spec)


# --- doing it ---


async def _reproduce(
    args: argparse.Namespace, cell: ExploreCell, schedule: Schedule
) -> "Reproduction":
    from chunk7.cluster.deployments.parts import HOST
    from chunk7.cluster.deployments.probes import free_ports
    from chunk7.cluster.deployments.store_parts import store_part
    from chunk7.cluster.deployments.supervise import Cluster
    from chunk7.cluster.jobs.reproduction import execute
    from chunk7.wire.store.store import Store

    async with AsyncExitStack() as stack:
        url = args.redis
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chunk7-")))
            cluster = await stack.enter_async_context(Cluster(folder))
            [port] = free_ports(1)
            await cluster.start(store_part(folder, port))
            url = f"redis://{HOST}:{port}/0"
        store = await Store.open(url, "chunk7-reproduce", history_ttl_ms=KEEP_MS)
        stack.push_async_callback(store.close)
        session_id = f"reproduce-{uuid4().hex[:12]}"
        quiet = args.json

        def report(step: Step, answer: Any) -> None:
            if not quiet:
                sys.stdout.write(visible(_line(step, answer)))

        return await execute(cell, schedule, store, url, session_id, report)


def _line(step: Step, answer: Any) -> str:
    """One step as it happens."""
    chunk = "" if step.chunk is None else f" {step.chunk}"
    return f"{step.actor:<14}{step.effect}{chunk}{_answered(step, answer)}\n"


def _answered(step: Step, answer: Any) -> str:
    if answer is None:
        return ""
    if step.effect in _PUBLISHES:
        return f" -> {answer} receiver{'s' * (answer != 1)}"
    if isinstance(answer, StreamRead):
        answer = answer.chunks
    if isinstance(answer, tuple):
        return f" -> numbers {', '.join(str(chunk.seq) for chunk in answer) or 'none'}"
    return f" -> {answer}"


# --- what to say ---


def _document(done: "Reproduction") -> dict[str, Any]:
    first = _worst(done)
    return {
        "schema": SCHEMA,
        "connect": done.schedule.connect,
        "write": done.schedule.write,
        "received": list(first.received),
        "missing": list(first.missing),
        "duplicates": list(first.duplicates),
        "receivers": {str(chunk): count for chunk, count in sorted(done.receivers.items())},
    }


def _worst(done: "Reproduction") -> "Seen":
    """The first client that misses something, else the first."""
    return next((seen for seen in done.clients if seen.missing), done.clients[0])


def _timeline(args: argparse.Namespace, done: "Reproduction", width: int | None = None) -> str:
    """The drawing; the report's own schedule without the six chunks that are only history."""
    from chunk7.cluster.jobs.reproduction import first_join_step

    first = 0 if args.schedule else first_join_step(done.schedule)
    return drawn(done.replay, first).text(width)


def _write(args: argparse.Namespace, done: "Reproduction") -> None:
    folder = args.out
    make_folder(folder)
    write_whole(folder / "reproduce.json", json.dumps(_document(done)) + "\n")
    write_whole(folder / "timeline.txt", _timeline(args, done))
    schedules.dump(done.schedule, folder / "schedule.json")
