"""One schedule as a file, to be forced again; and those of `explore`, where they map.

{"schema": 1, "kind": "steer", "target": name or null, "rules": [option], "chunks", "joiners",
 "leaver": bool, "comeback": bool, "write": write ordering or null,
 "steps": [{"actor", "event", "chunk"}], "found": {count: number}}

`rules` are options of the command line, such as `--read 'LRANGE chat:{session_id}:history'`.
`write` is the order in which chunk7's own producer writes, null for the system's own. `found` is
what the tries came to when the file was written (`SteerRow.counts`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chunk7 import faults
from chunk7.delivery.errors import UsageError
from chunk7.instruments.steer.outcome import SteerResult, SteerRow
from chunk7.instruments.steer.plan import (
    ACTORS,
    JOIN_EVENTS,
    JOINS,
    LEAVER,
    MAX_CHUNKS,
    MAX_JOINERS,
    NETWORK,
    PRODUCER,
    WRITE_EVENTS,
    SteerEvent,
    SteerSchedule,
    SteerStep,
)
from chunk7.instruments.steer.rules import Rules, parse_option
from chunk7.simulator.explore import schedule as explore
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.wire.whole_files import write_whole

SCHEMA = 1
KIND = "steer"
MAX_STEPS = 64

STALE_READ, REPLY_LOST, CONNECTION_CUT = "stale_read", "reply_lost", "connection_cut"
NETWORK_EVENTS: dict[str, str] = {
    "store_reconnect": faults.EFFECTS["store_reconnect"].drawn,
    "timeout_not_executed": faults.EFFECTS["timeout_not_executed"].drawn,
    "timeout_executed": faults.EFFECTS["timeout_executed"].drawn,
    STALE_READ: "THE NEXT READ is answered as of now",
    REPLY_LOST: "THE READ'S ANSWER is lost with its connection",
    CONNECTION_CUT: "THE READ'S CONNECTION ends",
}
"""What may happen to commands on their way, and how it is drawn. As in `faults`, where it is there:
the time-outs are of the chunk's next command, which is no other step.
"""


@dataclass(frozen=True, slots=True)
class KeptSchedule:
    """A schedule, and what must be known to force it again; `explore` knows no target and rules."""

    schedule: SteerSchedule
    target: str | None = None
    rules: Rules = field(default_factory=Rules)
    chunks: int = 1
    joiners: int = 1
    leaver: bool = False
    comeback: bool = False
    """The join is of a client that was there, and comes back."""
    write: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)


def kept_of(result: SteerResult, row: SteerRow) -> KeptSchedule:
    """One of the result's rows, to be forced again."""
    steps = row.schedule.steps
    return KeptSchedule(
        row.schedule,
        result.target,
        result.learned.rules,
        chunks=max((step.chunk or 1 for step in steps), default=1),
        joiners=max((JOINS.index(s.actor) + 1 for s in steps if s.actor in JOINS), default=1),
        leaver=any(step.actor == LEAVER for step in steps),
        comeback=result.comeback,
        write=result.write,
        found=row.counts,
    )


def file_name(schedule: SteerSchedule) -> str:
    """Such as `read-publish_1-save_1-subscribe.json`."""
    return schedule.key.replace(", ", "-").replace(" ", "_") + ".json"


def document(kept: KeptSchedule) -> dict[str, Any]:
    """The JSON document above."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "target": kept.target,
        "rules": kept.rules.options(),
        "chunks": kept.chunks,
        "joiners": kept.joiners,
        "leaver": kept.leaver,
        "comeback": kept.comeback,
        "write": kept.write,
        "steps": [step._asdict() for step in kept.schedule.steps],
        "found": dict(kept.found),
    }


def dump(kept: KeptSchedule, path: Path) -> None:
    """Write the document, one step a line. Raises WriteError where that is not possible."""
    head = document(kept)
    steps = ",\n".join("  " + json.dumps(step) for step in head.pop("steps"))
    write_whole(path, json.dumps(head)[:-1] + ', "steps": [\n' + steps + "\n]}\n")


def load(path: Path) -> KeptSchedule:
    """Read a file of ours, or of `explore`. Raises UsageError naming the file and the field."""
    try:
        head = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no JSON: {error}") from error
    try:
        return parse(head)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse(head: Any) -> KeptSchedule:
    """Check a document of ours, or of `explore`. Raises UsageError naming the field."""
    if isinstance(head, Mapping) and "kind" not in head and "connect" in head:
        schedule = explore.parse(head)
        steps = from_explored(schedule)
        return KeptSchedule(
            steps, None, Rules(), schedule.chunks, schedule.joiners, write=schedule.write
        )
    if not isinstance(head, Mapping):
        raise UsageError("want a JSON object")
    if head.get("schema") != SCHEMA:
        raise UsageError(f"schema {head.get('schema')!r}: must be {SCHEMA}")
    if head.get("kind") != KIND:
        raise UsageError(f"kind {head.get('kind')!r}: must be {KIND}")
    leaver, comeback = _truth(head, "leaver"), _truth(head, "comeback")
    chunks, joiners = (
        _whole(head, "chunks", 1, MAX_CHUNKS), _whole(head, "joiners", 1, MAX_JOINERS)
    )  # fmt: skip
    return KeptSchedule(
        schedule=_schedule(head, chunks, joiners, leaver),
        target=_text(head, "target"),
        rules=Rules(tuple(map(parse_option, _list(head, "rules", str)))),
        chunks=chunks,
        joiners=joiners,
        leaver=leaver,
        comeback=comeback,
        write=_text(head, "write"),
        found=_found(head),
    )


def _schedule(head: Mapping[str, Any], chunks: int, joiners: int, leaver: bool) -> SteerSchedule:
    entries = _list(head, "steps", dict)
    if not 1 <= len(entries) <= MAX_STEPS:
        raise UsageError(f"steps: want 1 to {MAX_STEPS}, not {len(entries)}")
    absent = {*ACTORS[joiners:MAX_JOINERS], *(() if leaver else (LEAVER,))}
    actors = [actor for actor in ACTORS if actor not in absent]
    steps = tuple(_step(entry, place, actors, chunks) for place, entry in enumerate(entries, 1))
    again = next((step for place, step in enumerate(steps) if step in steps[:place]), None)
    if again is not None and not any(step.actor == NETWORK for step in steps):
        raise UsageError(f"steps: {again.actor} {again.event} twice, and nothing fails")
    for place, step in enumerate(steps, 1):
        if step.event == SteerEvent.ANSWER and SteerStep(step.actor, "read") not in steps[:place]:
            raise UsageError(f"step {place}: answer: no read of {step.actor} before it")
    return SteerSchedule(steps)


def _step(entry: Mapping[str, Any], place: int, actors: list[str], chunks: int) -> SteerStep:
    actor, event, chunk = entry.get("actor"), entry.get("event"), entry.get("chunk")
    if actor not in actors:
        raise UsageError(f"step {place}: actor {actor!r}: one of {', '.join(actors)}")
    possible = _events(str(actor))
    if event not in possible:
        raise UsageError(f"step {place}: event {event!r}: of {actor}, {', '.join(possible)}")
    numbered = actor == PRODUCER or str(event).startswith("timeout")
    if numbered and not (type(chunk) is int and 1 <= chunk <= chunks):
        raise UsageError(f"step {place}: chunk {chunk!r}: must be between 1 and {chunks}")
    if not numbered and chunk is not None:
        raise UsageError(f"step {place}: chunk {chunk!r}: must be null")
    return SteerStep(str(actor), str(event), chunk)


def _events(actor: str) -> list[str]:
    if actor == NETWORK:
        return list(NETWORK_EVENTS)
    of_actor = {PRODUCER: WRITE_EVENTS, LEAVER: {SteerEvent.LEAVE}}.get(actor, JOIN_EVENTS)
    return [event for event in SteerEvent if event in of_actor]


def _truth(head: Mapping[str, Any], name: str) -> bool:
    if not isinstance(value := head.get(name), bool):
        raise UsageError(f"{name} {value!r}: must be true or false")
    return value


def _whole(head: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = head.get(name)
    if type(value) is not int or not low <= value <= high:
        raise UsageError(f"{name} {value!r}: must be between {low} and {high}")
    return value


def _text(head: Mapping[str, Any], name: str) -> str | None:
    value = head.get(name)
    if value is not None and not (isinstance(value, str) and value):
        raise UsageError(f"{name} {value!r}: want a name or null")
    return value


def _list(head: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    value = head.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, kind) for entry in value):
        raise UsageError(f"{name}: want a list of {'texts' if kind is str else 'objects'}")
    return value


def _found(head: Mapping[str, Any]) -> dict[str, int]:
    found = head.get("found", {})
    if not isinstance(found, dict) or not all(type(n) is int and n >= 0 for n in found.values()):
        raise UsageError("found: want an object of counts")
    return found


# --- schedules of `explore` ---

_COUNTERPARTS = {
    "publish": SteerEvent.PUBLISH,
    "save": SteerEvent.SAVE,
    "save_and_publish": SteerEvent.WRITE,
    "number_save_and_publish": SteerEvent.WRITE,
    "append": SteerEvent.APPEND,
    "append_same_ms": SteerEvent.APPEND,
    "read_history": SteerEvent.READ,
    "read_stream": SteerEvent.READ,
    "follow": SteerEvent.FOLLOW,
}
_FAULTS = {
    "store_reconnect": "store_reconnect",
    "timeout_not_executed": "timeout_not_executed",
    "timeout_executed": "timeout_executed",
    "timeout_executed_same_ms": "timeout_executed",
}
_BY_ITSELF = frozenset(
    (
        *("next_seq", "read_head", "confirmed", "send_history", "send_welcome", "release"),
        *("deliver", "tail", "heartbeat", "fetch", "fetched", "hear"),
    )
)
"""What a node, or who is not in the race, does when it can: no order of it can be forced."""


def from_explored(schedule: Schedule) -> SteerSchedule:
    """The same order of what steering can hold.

    Of two clients at one node, each has its own subscription here; it takes effect where the node's
    does or, if that is in effect, where the second one attaches to it. Raises UsageError
    `does not map: ...` for what has no counterpart.
    """
    if schedule.chunks > MAX_CHUNKS:
        raise UsageError(f"does not map: {schedule.chunks} chunks, here at most {MAX_CHUNKS}")
    return SteerSchedule(tuple(_mapped(schedule)))


def _mapped(schedule: Schedule) -> Iterator[SteerStep]:
    waiting: list[str] = []
    listening: list[str] = []
    in_effect = False
    for place, step in enumerate(schedule.steps):
        join = step.actor.rpartition(".")[2]
        if step.effect == "subscribe" and not in_effect:
            waiting.append(join)
        elif step.effect == "subscribe":
            listening.append(join)
            yield SteerStep(join, SteerEvent.SUBSCRIBE)
        elif step.effect == "subscription":
            in_effect = True
            yield from (SteerStep(one, SteerEvent.SUBSCRIBE) for one in waiting)
            listening, waiting = listening + waiting, []
        elif step.effect in _FAULTS:
            yield SteerStep(NETWORK, _FAULTS[step.effect], step.chunk)
            if step.effect == "store_reconnect":
                in_effect = False
                later = _subscribes(schedule.steps[place:])
                waiting = [one for one in listening + waiting if one not in later]
                listening = []
        elif step.effect in _COUNTERPARTS:
            actor = PRODUCER if step.actor == PRODUCER else join
            yield SteerStep(actor, _COUNTERPARTS[step.effect], step.chunk)
        elif step.effect not in _BY_ITSELF:
            raise UsageError(f"does not map: step {place + 1}: {step.actor} {step.effect}")


def _subscribes(steps: tuple[Step, ...]) -> set[str]:
    """The joins that subscribe in these steps: after a fault, those that start over."""
    return {step.actor.rpartition(".")[2] for step in steps if step.effect == "subscribe"}
