"""The load test's own options, beside Locust's: declared, then read and checked as one record.

They arrive as Locust keeps them (`environment.parsed_options`): from the command line, or typed
into the web UI, or sent by the master. So they are read at each test's start, and everything is
checked here, whatever its source. `loadtest/web/form.py` says which of them the web UI shows.
"""

import dataclasses
import re
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from chunk7.delivery.errors import UsageError
from chunk7.faults.schedule import parse_faults
from chunk7.loadtest.targets.adapter import Adapter, read_adapter
from chunk7.wire.origins import add_origins
from chunk7.wire.parameters import Parameter
from chunk7.wire.plan import MAX_SEED, OPTIONS, PARAMETERS, Cell, Plan, add_options, read_plan
from chunk7.wire.tokens import Tokens, add_token_secret, read_tokens

ALL = "all"
"""Of an ordering: whatever there is."""
CHOSEN = {name: found for name, found in OPTIONS.items() if name != "users"}
"""Parameters of the plan that are options here; the number of users is an option of Locust's."""
ADAPTER = (
    "another system needs an adapter: chunk7 run --target FILE.yaml, docs/your-own-back-end.md"
)
_BUG = Cell("history_then_subscribe", "publish_then_save")

_RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,56}")
"""The producer takes 64; the rest is for the number of the round."""
_STARTED = Parameter(low=0.01, high=100_000, what="users started a second")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the load test was told. `plan` is that of the first round, but for its users."""

    host: str
    producer: str
    plan: Plan
    store_delay: str | None
    """Where to ask for the plan's store latency; None: the store is that far away as it is."""
    records: Path
    fill_gaps: frozenset[str]
    once: bool
    adapter: Adapter | None = None
    """How somebody else's back end is joined; None: it is chunk7's own nodes."""
    tokens: Tokens | None = None
    """What the nodes want of whoever joins; None: nothing."""

    def round_plan(self, number: int, users: int) -> Plan:
        """Of the `number`-th round (1, 2, ...): other sessions, other draws each time."""
        return replace(
            self.plan,
            run=self.plan.run if number == 1 else f"{self.plan.run}-{number}",
            number=number,
            seed=(self.plan.seed + number - 1) % (MAX_SEED + 1),
            users=users,
        )


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("chunk7")
    add = group.add_argument
    add("--producer", default="http://127.0.0.1:8090", metavar="URL", help="its HTTP address")
    add(
        "--connect",
        default=ALL,
        metavar="NAME",
        help=f"what a node does; {ALL}: every one that goes with the write ordering",
    )
    add(
        "--write",
        default=ALL,
        metavar="NAME",
        help=f"what the producer does; {ALL} x {ALL}: the cells the cluster was started with",
    )
    add("--cells", default="", metavar="'A x B; C x D'", help="the cells for all x all, in turn")
    add("--pairs", default="", metavar="'A x B; C x D'", help="all cells that there can be")
    add_options(group, CHOSEN, vetted=False)  # Locust's parser would show an error as a traceback
    add("--faults", default="", metavar="'A; B'", help="what strikes, NAME@AT, separated by ;")
    add("--fault-names", default="", metavar="A,B", help="faults that the cluster can have")
    add("--store-delay", default="", metavar="URL", help="control of the delaying proxy")
    add("--records", default="", metavar="DIR", help="default: runs/RUN_NAME/raw")
    add(
        "--fill-gaps",
        default="sequence_gap_fill",
        metavar="NAMES",
        help="connect orderings whose clients fetch what they miss, separated by commas",
    )
    add("--target", default="", metavar="FILE", help="adapter of somebody else's back end")
    add("--target-ports", default="", metavar="P[,P]", help="where it was started, if we did so")
    add("--run-name", default=time.strftime("load-%Y%m%d-%H%M%S"), help="prefix of session ids")
    add(
        "--once",
        action="store_true",
        help="end with the last cell; without it, rounds repeat until stopped",
    )
    add("--held", action="store_true", help="get ready, and begin when stdin ends")
    add_origins(group)
    add_token_secret(group)
    add("--delivery", default="", metavar="URL", help="who judges while the test runs")
    add("--max-users", type=int, default=100_000, help="most users that the cluster can hold")


def read_options(parsed: Any, host: str | None) -> LoadOptions:
    """The options out of Locust's namespace; `host` is Locust's own.

    Raises UsageError, one line that names the option and what it may be.
    """
    run_name = _text(parsed.run_name)
    others = _text(host).startswith(("http://", "https://", "wss://"))
    if not _RUN_NAME.fullmatch(run_name):
        raise UsageError(f"--run-name: {run_name!r} is not 1 to 56 letters, digits, - or _")
    adapter = None
    if target := _text(parsed.target):
        adapter = read_adapter(Path(target), _text(parsed.target_ports))
    return LoadOptions(
        host=adapter.url
        if adapter
        else _address("--host", host, "ws", f"; {ADAPTER}" if others else ""),
        producer=_address("--producer", parsed.producer, "http"),
        plan=_plan(parsed, run_name),
        store_delay=_address("--store-delay", parsed.store_delay, "http")
        if parsed.store_delay
        else None,
        records=Path(_text(parsed.records) or Path("runs", run_name, "raw")),
        fill_gaps=frozenset(filter(None, map(str.strip, _text(parsed.fill_gaps).split(",")))),
        once=bool(parsed.once),
        adapter=adapter,
        tokens=read_tokens(_text(parsed.token_secret_file)),
    )


def _plan(parsed: Any, run_name: str) -> Plan:
    """Raises UsageError, also for faults that are none, or that this cluster cannot have."""
    texts = (text.strip() for text in _text(parsed.faults).split(";"))
    faults = tuple(filter(None, texts))
    plan = read_plan(vars(parsed), run=run_name, cells=list(chosen_cells(parsed)), faults=faults)
    allowed = _text(parsed.fault_names).split(",")
    for one in parse_faults(plan.faults, plan.duration_ms):
        if one.fault.name not in allowed:
            others = (
                f"; there are {', '.join(allowed)}" if any(allowed) else ": nobody does it here"
            )
            raise UsageError(f"--faults {one.text}: not with this cluster{others}")
    return plan


def check_users(parsed: Any, users: object, spawn_rate: object) -> None:
    """Raise UsageError for a number of users, or of users a second, that cannot be."""
    dataclasses.replace(PARAMETERS["users"], high=parsed.max_users).read(users, "users")
    _STARTED.read(spawn_rate, _STARTED.what)


def chosen_cells(parsed: Any) -> tuple[Cell, ...]:
    """What --connect and --write choose of --cells and --pairs; raises UsageError.

    Both `all` (or not given): --cells. One `all`: every one of --pairs with the other; where there
    are no --pairs, that of the bug report. Otherwise the one cell, which must be of --pairs.
    """
    connect, write = (_wanted(_text(value)) for value in (parsed.connect, parsed.write))
    if connect is None and write is None:
        return read_cells("--cells", _text(parsed.cells) or _BUG.name)
    if not _text(parsed.pairs):
        return read_cells("--cells", f"{connect or _BUG.connect} x {write or _BUG.write}")
    pairs = read_cells("--pairs", _text(parsed.pairs))
    _check_name("--connect", connect, [pair.connect for pair in pairs])
    _check_name("--write", write, [pair.write for pair in pairs])
    found = tuple(
        pair for pair in pairs if connect in (None, pair.connect) and write in (None, pair.write)
    )
    if not found:
        others = ", ".join(pair.write for pair in pairs if pair.connect == connect)
        raise UsageError(f"--write: {write} does not go with {connect}, which goes with {others}")
    return found


def read_cells(option: str, text: str) -> tuple[Cell, ...]:
    """The cells of `A x B; C x D`, at least one; raises UsageError."""
    cells = []
    for item in filter(None, map(str.strip, text.split(";"))):
        names = re.split(r"\s+x\s+", f" {item} ")
        if len(names) != 2 or not all(map(str.strip, names)):
            raise UsageError(f"{option}: {item!r} is not CONNECT x WRITE")
        cells.append(Cell(names[0].strip(), names[1].strip()))
    if not cells:
        raise UsageError(f"{option}: at least one CONNECT x WRITE")
    return tuple(cells)


def _wanted(name: str) -> str | None:
    return None if name in ("", ALL) else name


def _check_name(option: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        names = ", ".join(dict.fromkeys(known))
        raise UsageError(f"{option}: {name!r} is not {ALL} and none of {names}")


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _address(option: str, url: str | None, scheme: str, hint: str = "") -> str:
    """The URL without a slash at its end."""
    try:
        parts = urlsplit(_text(url))
        good = parts.scheme == scheme and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{option}: {url!r} is not {scheme}://HOST:PORT{hint}")
    return _text(url).rstrip("/")
