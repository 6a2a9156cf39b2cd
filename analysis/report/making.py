"""How the run was made: everything that the manifest and the records know of it, as text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chunk7.analysis.report.words import NOTHING
from chunk7.analysis.study import Study

_PLANNED = ("order", "order_done", "drain", "memory", "commands", "no_receivers")
"""Events of every run: the plan, the store's measurements, and chunks before anybody listens."""

_MOST_EVENTS = 50
_LONGEST = 200
"""Characters of one event's detail."""


@dataclass(frozen=True, slots=True)
class Section:
    """(name, value) pairs under a title."""

    title: str
    rows: list[tuple[str, str]]


def sections(study: Study) -> list[Section]:
    """Load, cluster, machine, versions, and what happened apart from the plan."""
    manifest = study.run.manifest
    extra = manifest.extra
    load = msgspec.to_builtins(manifest.plan) | {"settle_ms": manifest.plan.quiet_ms}
    load.pop("cells")
    command = extra.get("argv")
    run = {
        "run folder": str(study.run.folder),
        "seed": manifest.seed,
        "command": " ".join(map(str, command)) if isinstance(command, list) else None,
        "commit": extra.get("commit"),
        "settle time of the verdicts, ms": manifest.settle_ms,
    }
    found = [
        Section("The run", list(_flat(run))),
        Section("The target", list(_target(study))),
        Section("The load", list(_flat(load))),
        Section("The cluster", list(_flat(_mapping(extra.get("settings"))))),
        Section("The machine", list(_flat(_mapping(extra.get("machine"))))),
        Section("Versions", list(_flat(_mapping(extra.get("versions"))))),
        Section("What happened apart from the plan", list(_events(study))),
    ]
    return [section for section in found if section.rows]


_KNOWS = {
    "producer": "chunk7's producer, which wrote it",
    "connection": "a client that was there from the beginning",
    "request": "the response to the request that asked",
    "log": "the log of whoever makes the answers",
    "answer": "the finished answer, fetched afterwards",
    "recording": "another recording of the answer",
}


def _target(study: Study) -> Iterator[tuple[str, str]]:
    """Whose back end it was, and what the verdicts rest on."""
    target = study.run.manifest.target
    if target is None:
        return
    yield "url", target.url
    yield "adapter", target.file
    yield "who knows what was sent", _KNOWS[target.reference]
    told = study.summary.told_apart_by
    means = ", ".join(f"{by} in {count} connections" for by, count in told.items())
    yield "chunks told apart by", means or NOTHING
    if "text" in told:
        yield "by text", "a hole between equal texts may be one place off (alignments.parquet)"


def _mapping(value: Any) -> Mapping[str, Any]:
    """Extras are what their writer wanted to keep; what is no mapping has no names to show."""
    return value if isinstance(value, dict) else {}


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values; what is inside another mapping stands beside it."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif isinstance(value, list):
            yield str(name), ", ".join(map(str, value)) or "none"
        else:
            yield str(name), NOTHING if value is None else str(value)


def _events(study: Study) -> Iterator[tuple[str, str]]:
    """By time, but for those of every run."""
    run = study.run
    events = run.events.assign(at_s=run.instants(run.events, "at_ns") / 1e9)
    events = events[~events["kind"].isin(_PLANNED)].sort_values("at_s", kind="stable")
    for event in events.head(_MOST_EVENTS).to_dict("records"):
        detail = event["detail"] if isinstance(event["detail"], str) else ""
        what = f"{event['process']}: {event['kind']} {detail}".rstrip()
        yield f"{event['at_s']:.3f} s", what[:_LONGEST]
    if len(events) > _MOST_EVENTS:
        yield "later", f"{len(events) - _MOST_EVENTS} more"
