"""A schedule: who did what, in which order. What `explore --out` writes and `reproduce` replays.

{"schema": 1, "connect", "write", "chunks", "joiners", "faults": [name], "resumes": bool,
 "life": {"writers", "overlap", "retry"}, "client", "contract",
 "steps": [{"actor", "effect", "chunk"}]}

Actors: `producer`, `producer2` and so on; `zombie`, a producer that was taken for dead; `store`,
which executes what was sent (a subscription, a trim); `nodeN`, the whole of a relay node;
`nodeN.joinC`, what node N does for client C; `clientC`.
`chunk` is the chunk's number, counted from 1 in the order of production, or null. `resumes`, false
where it is missing: whether a client that joins again says how far it has got (`Cell.resumes`).
`replica` is there where nodes use one: what it serves, history or all. `contract` is there where
not every chunk is due to everyone.
`life` is there where it is not that of one producer that does one thing after the other,
`client` where a policy replaces that of the connect ordering: its name or path/to/file.py:Name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from chunk7 import faults
from chunk7.delivery.contract import Contract
from chunk7.delivery.errors import UsageError
from chunk7.delivery.life import MAX_OVERLAP, MAX_WRITERS, ONE_BY_ONE, ProducerLife, Retry
from chunk7.delivery.replica import Replica
from chunk7.wire.whole_files import write_whole

SCHEMA = 1
MAX_CHUNKS = 20
MAX_JOINERS = 2

SAME_MS = "_same_ms"
"""Ends the name of an append that the store executes while its clock has not gone on."""

PRODUCERS = ("producer", "zombie")
"""How the names of all that write begin."""
ACTOR = re.compile(r"producer[2-9]?|zombie[2-9]?|store|node[1-9]|node[1-9]\.join[1-2]|client[1-2]")

EFFECTS = {
    # an ordering's own effects, by their class names
    "next_seq": "INCR the session's counter",
    "publish": "PUBLISH the chunk",
    "save": "RPUSH the chunk",
    "save_and_publish": "both in one MULTI",
    "number_save_and_publish": "the Lua script",
    "append": "XADD the chunk, in a later millisecond than the last",
    "append_same_ms": "XADD the chunk, in the millisecond of the last",
    "poke": "PUBLISH a notice that has no chunk",
    "await_replicas": "WAIT until replicas have all that was written",
    "begin": "DEL history, stream and counter",
    "clear": "DEL history and stream",
    "publish_end": "PUBLISH the end",
    "save_end": "RPUSH the end",
    "save_and_publish_end": "both in one MULTI",
    "number_save_and_publish_end": "the Lua script, for the end",
    "append_end": "XADD the end, in a later millisecond than the last entry",
    "append_end_same_ms": "XADD the end, in the millisecond of the last entry",
    "set_status": "SET the status key",
    "subscribe": "send SUBSCRIBE, or attach to the node's subscription",
    "confirmed": "the confirmation has come",
    "unsubscribe": "listen no longer; as the node's last client, send UNSUBSCRIBE",
    "read_history": "LRANGE",
    "read_head": "GET the counter",
    "read_stream": "XRANGE",
    "read_tail": "XREVRANGE, one entry",
    "read_status": "GET the status key",
    "follow": "read the stream from here on",
    "look_when_poked": "read the history at each notice from here on",
    "start": "have the producer begin",
    "send_history": "write a history frame to the client",
    "send_welcome": "write the welcome frame",
    "send_end": "write the end frame",
    "send_control": "write a control frame",
    "release": "send what the buffer holds, then go straight",
    "release_after": "the same of a followed stream, above a cursor",
    # what happens by itself
    "subscription": "the store executes the node's SUBSCRIBE",
    "unsubscription": "the store executes the node's UNSUBSCRIBE",
    "confirmation": "the node hears that a SUBSCRIBE was executed",
    "deliver": "the next published chunk reaches the node, and its clients or their buffers",
    "notice": "the next notice reaches the node",
    "look": "the node reads the history, and sends the client what is new",
    "tail": "the follower is given every new stream entry",
    "replicate": "a replica does the next of the primary's commands",
    "heartbeat": "the node reads the counter and tells the client",
    "fetch": "the node reads what the client has asked for",
    "fetched": "the node answers the client's fetch",
    "hear": "the client takes the next frame from its socket",
    **{effect: wording.meaning for effect, wording in faults.EFFECTS.items()},
}


class Failure(StrEnum):
    """How a schedule can go wrong; the names of the counts in the JSON."""

    LOSSY = "lossy"
    DUPLICATING = "duplicating"
    OUT_OF_ORDER = "out_of_order"
    REWINDING = "rewinding"
    STUCK = "stuck"
    UNFINISHED = "unfinished"
    FALSE_END = "false_end"
    TOLD_RECOVERED = "told_recovered"
    FOREIGN = "foreign"


ALWAYS = (
    Failure.LOSSY,
    Failure.DUPLICATING,
    Failure.OUT_OF_ORDER,
    Failure.REWINDING,
    Failure.STUCK,
)
"""What every cell can have; the rest needs an ending, control frames or another contract."""


class Step(NamedTuple):
    """One atomic event."""

    actor: str
    effect: str
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A complete run of one cell; `connect` and `write` are specs that `resolve` understands."""

    connect: str
    write: str
    chunks: int
    joiners: int
    faults: tuple[str, ...]
    steps: tuple[Step, ...]
    resumes: bool = False
    life: ProducerLife = ONE_BY_ONE
    replica: Replica | None = None
    client: str | None = None
    contract: Contract = Contract.WHOLE


def document(schedule: Schedule) -> dict[str, Any]:
    """The schedule as the JSON document above."""
    return {
        "schema": SCHEMA,
        "connect": schedule.connect,
        "write": schedule.write,
        "chunks": schedule.chunks,
        "joiners": schedule.joiners,
        "faults": list(schedule.faults),
        "resumes": schedule.resumes,
        **terms_document(schedule.life, schedule.replica, schedule.client, schedule.contract),
        "steps": [step._asdict() for step in schedule.steps],
    }


def terms_document(
    life: ProducerLife, replica: Replica | None, client: str | None, contract: Contract
) -> dict[str, Any]:
    """The fields of a document that are there only where they are not the default."""
    terms: dict[str, Any] = {}
    if life != ONE_BY_ONE:
        terms["life"] = asdict(life)
    if replica is not None:
        terms["replica"] = str(replica)
    if client is not None:
        terms["client"] = client
    if contract is not Contract.WHOLE:
        terms["contract"] = str(contract)
    return terms


def dump(schedule: Schedule, path: Path) -> None:
    """Write the document, one step a line. Raises WriteError."""
    head = document(schedule)
    steps = ",\n".join("  " + json.dumps(step) for step in head.pop("steps"))
    write_whole(path, json.dumps(head)[:-1] + ', "steps": [\n' + steps + "\n]}\n")


def load(path: Path) -> Schedule:
    """Read a schedule file. Raises UsageError naming the file and the field."""
    try:
        return parse(json.loads(path.read_text()))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: no JSON: {error}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse(head: Any) -> Schedule:
    """Check a document. Raises UsageError naming the field and what it may be."""
    if not isinstance(head, Mapping):
        raise UsageError("want a JSON object")
    if head.get("schema") != SCHEMA:
        raise UsageError(f"schema {head.get('schema')!r}: must be {SCHEMA}")
    resumes = head.get("resumes", False)
    if not isinstance(resumes, bool):
        raise UsageError(f"resumes {resumes!r}: must be true or false")
    chunks = _whole(head, "chunks", MAX_CHUNKS)
    return Schedule(
        connect=_text(head, "connect"),
        write=_text(head, "write"),
        chunks=chunks,
        joiners=_whole(head, "joiners", MAX_JOINERS),
        faults=tuple(_list(head, "faults", str)),
        steps=tuple(
            _step(entry, place, chunks) for place, entry in enumerate(_list(head, "steps", dict), 1)
        ),
        resumes=resumes,
        life=_life(head.get("life", {})),
        replica=_replica(head.get("replica")),
        client=_text(head, "client") if "client" in head else None,
        contract=_contract(head.get("contract", Contract.WHOLE)),
    )


def _step(entry: Mapping[str, Any], place: int, chunks: int) -> Step:
    actor, effect, chunk = entry.get("actor"), entry.get("effect"), entry.get("chunk")
    if not isinstance(actor, str) or not ACTOR.fullmatch(actor):
        raise UsageError(f"step {place}: actor {actor!r}: producer, store, node1, node1.join1, ...")
    if effect not in EFFECTS:
        raise UsageError(f"step {place}: effect {effect!r}: one of {', '.join(EFFECTS)}")
    if chunk is not None and (type(chunk) is not int or not 1 <= chunk <= chunks):
        raise UsageError(f"step {place}: chunk {chunk!r}: null, or 1 to {chunks}")
    return Step(actor, effect, chunk)


def _replica(given: Any) -> Replica | None:
    if given is not None and given not in list(Replica):
        raise UsageError(f"replica {given!r}: null, {', '.join(Replica)}")
    return Replica(given) if given else None


def _contract(given: Any) -> Contract:
    if given not in list(Contract):
        raise UsageError(f"contract {given!r}: one of {', '.join(Contract)}")
    return Contract(given)


def _life(given: Any) -> ProducerLife:
    if not isinstance(given, Mapping):
        raise UsageError(f"life {given!r}: want an object")
    head = {**asdict(ONE_BY_ONE), **given}
    retry = head["retry"]
    if retry not in (None, *Retry):
        raise UsageError(f"life: retry {retry!r}: null, {', '.join(Retry)}")
    try:
        return ProducerLife(
            _whole(head, "writers", MAX_WRITERS),
            _whole(head, "overlap", MAX_OVERLAP),
            None if retry is None else Retry(retry),
        )
    except UsageError as error:
        raise UsageError(f"life: {error}") from error


def _whole(head: Mapping[str, Any], field: str, high: int) -> int:
    value = head.get(field)
    if type(value) is not int or not 1 <= value <= high:
        raise UsageError(f"{field} {value!r}: must be between 1 and {high}")
    return value


def _text(head: Mapping[str, Any], field: str) -> str:
    value = head.get(field)
    if not isinstance(value, str) or not value:
        kind = "a policy" if field == "client" else "an ordering"
        raise UsageError(f"{field} {value!r}: want {kind}'s name")
    return value


def _list(head: Mapping[str, Any], field: str, kind: type) -> list[Any]:
    value = head.get(field)
    if not isinstance(value, list) or not all(isinstance(entry, kind) for entry in value):
        raise UsageError(f"{field}: want a list of {'names' if kind is str else 'objects'}")
    return value
