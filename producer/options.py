"""The producer's command line: parsed once, checked here, frozen from then on."""

import argparse
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chunk7.delivery.errors import UsageError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.registry import performed_live, resolve
from chunk7.producer.answers import SHIPPED
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.options import Parser, listen_address
from chunk7.wire.origins import Origins, add_origins, origins_of
from chunk7.wire.plan import OPTIONS, Cell, Plan, add_options, read_plan
from chunk7.wire.store.layout import OWN, Layout, read_layout
from chunk7.wire.store.option import add_redis

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SETTLE_MS = 1_000
"""Alone there is no next cell; this only bounds the time for measuring memory."""


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """What the producer was told. With a `plan` it carries that out and ends."""

    redis: str = field(repr=False)
    listen: tuple[str, int] | None
    records: Path | None
    name: str
    answers: Path
    orderings: dict[str, WriteOrdering]
    history_ttl_ms: int
    stream_max_entries: int | None
    layout: Layout
    plan: Plan | None
    json: bool
    origins: Origins = Origins()  # noqa: RUF009 - frozen
    """Whose orders are taken over HTTP."""


def parse_options(arguments: Sequence[str] | None = None) -> ProducerOptions:
    """The options of a command line, sys.argv's by default.

    Raises UsageError, one line that names the option and what it may be.
    """
    given = _parser().parse_args(arguments)
    if not _NAME.fullmatch(given.name):
        raise UsageError(f"--name: {given.name!r} is not 1 to 64 letters, digits, - or _")
    if given.duration_s is None and (given.listen is None or given.records is None):
        raise UsageError("want --listen and --records, or --duration to stream one plan alone")
    orderings = _registry(given.ordering)
    listen = None if given.listen is None else listen_address(given.listen)
    return ProducerOptions(
        redis=given.redis,
        listen=listen,
        records=given.records,
        name=given.name,
        answers=given.answers,
        orderings=orderings,
        history_ttl_ms=1_000 * _within("--history-ttl-s", given.history_ttl_s, 31_536_000),
        stream_max_entries=None
        if given.stream_max_entries is None
        else _within("--stream-max-entries", given.stream_max_entries, 2**31 - 1),
        layout=OWN if given.layout is None else read_layout(given.layout),
        plan=_plan(given, orderings),
        json=given.json,
        origins=origins_of(listen[0] if listen else "localhost", given),
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="producer",
        description="The AI producer: streams recorded answers into the store, "
        "as ordered over HTTP, or one plan by itself with --duration.",
    )
    add = parser.add_argument
    add_redis(parser, "the store, redis://host:port/db or any other form", required=True)
    add("--listen", metavar="HOST:PORT", help="where to take orders; port 0: any free one")
    add("--records", type=Path, metavar="DIR", help="where the records go")
    add("--name", default="producer", help="its name in records and at the store")
    add("--answers", type=Path, default=SHIPPED, metavar="DIR", help="recorded answers")
    add("--ordering", action="append", default=[], metavar="FILE.py:NAME", help="one of yours")
    add("--history-ttl-s", type=int, default=3_600, metavar="S", help="%(default)s by default")
    add("--stream-max-entries", type=int, metavar="N", help="trim streams to this; never if absent")
    add("--layout", type=Path, metavar="FILE", help="somebody else's keys and payload, as JSON")
    add_origins(parser)
    _add_alone(parser.add_argument_group("one plan by itself"))
    return parser


def _add_alone(group: "argparse._ArgumentGroup") -> None:
    add = group.add_argument
    add_options(group, {name: found for name, found in OPTIONS.items() if found.alone})
    group.set_defaults(duration_s=None)
    add("--write", default="save_then_publish", metavar="NAME", help="write ordering")
    add("--run", metavar="NAME", help="prefix of the session ids; the time if absent")
    add("--json", action="store_true", help="totals as one JSON document")


def _plan(given: argparse.Namespace, orderings: dict[str, WriteOrdering]) -> Plan | None:
    """The plan of a command line with --duration; its errors name the options."""
    if given.duration_s is None:
        return None
    orderings.setdefault(given.write, resolve(given.write, orderings, WriteOrdering, "--write"))
    performed_live(orderings[given.write], "--write")
    return read_plan(
        vars(given),
        run=f"alone-{time.time_ns() // 1_000_000}" if given.run is None else given.run,
        cells=[Cell(connect="", write=given.write)],
        settle_ms=_SETTLE_MS,
        lead_ms=0,
    )


def _within(option: str, value: int, high: int) -> int:
    if not 1 <= value <= high:
        raise UsageError(f"{option}: {value} is not 1 to {high}")
    return value


def _registry(specs: Sequence[str]) -> dict[str, WriteOrdering]:
    """The built-in orderings, and the user's own under their name and as they were given."""
    registry = dict(WRITE_ORDERINGS)
    for spec in specs:
        ordering = resolve(spec, WRITE_ORDERINGS, WriteOrdering, "--ordering")
        performed_live(ordering, "--ordering")
        if ordering.name in registry:
            raise UsageError(f"--ordering: there already is an ordering named {ordering.name!r}")
        registry[spec] = registry[ordering.name] = ordering
    return registry
