"""The load test's own options, beside Locust's: declared, then read and checked as one record.

They arrive as Locust keeps them (`environment.parsed_options`): from the command line, or typed
into the web UI, or sent by the master. So they are read at each test's start, and everything is
checked here, whatever its source. `loadtest/web/form.py` says which of them the web UI shows.
"""

import re
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.join_schedule import settle_ms, slot_count
from chunk7.wire.timetable import Cell, Order

Number = TypeVar("Number", int, float)

ALL = "all"
"""Of an ordering: whatever there is."""
RECORDED = "recorded"
"""Of the chunk rate: as the answers were recorded."""
_BUG = Cell("history_then_subscribe", "publish_then_save")

_RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,56}")
"""The producer takes 64; the rest is for the number of the round."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the load test was told. `chunk_rate` None: the recorded timing as it is."""

    host: str
    producer: str
    cells: tuple[Cell, ...]
    seed: int
    sessions: int
    chunk_rate: float | None
    jitter: float
    duration_ms: int
    settle_ms: int
    node_work_ms: float
    save_lag_ms: float
    store_latency_ms: float | None
    """None: the store is as far away as it was when the cluster started."""
    store_delay: str | None
    """Where to ask for another store latency, if anywhere."""
    records: Path
    fill_gaps: frozenset[str]
    run_name: str
    once: bool

    def order(self, number: int, lead_ms: int) -> Order:
        """The `number`-th order of this test (1, 2, ...): other sessions, other draws each time."""
        return Order(
            run=self.run_name if number == 1 else f"{self.run_name}-{number}",
            number=number,
            cells=list(self.cells),
            seed=self.seed + number - 1,
            sessions=self.sessions,
            duration_ms=self.duration_ms,
            settle_ms=self.settle_ms,
            lead_ms=lead_ms,
            chunk_rate=self.chunk_rate,
            jitter=self.jitter,
            save_lag_ms=self.save_lag_ms,
        )


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument_group("chunk7").add_argument
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
    add("--sessions", type=int, default=10, help="sessions that stream at the same time")
    add("--chunk-rate", default=RECORDED, help="chunks a second and session")
    add("--jitter", type=float, default=0.0, help="of a chunk's delay, in mean intervals")
    add("--cell-duration-s", type=float, default=10.0, help="how long each cell streams")
    add("--settle-ms", default="", help="quiet time after each cell; default: as long as it takes")
    add("--node-work-ms", type=float, default=0.0, help="the node's work between its two steps")
    add("--save-lag-ms", type=float, default=0.0, help="the producer's, between its two writes")
    add(
        "--store-latency-ms",
        type=float,
        default=None,
        help="of the network between the processes and the store, each way",
    )
    add("--store-delay", default="", metavar="URL", help="control of the delaying proxy")
    add("--records", default="", metavar="DIR", help="default: runs/RUN_NAME/raw")
    add("--chunk7-seed", type=int, default=7, help="of joins and chunks")
    add(
        "--fill-gaps",
        default="sequence_gap_fill",
        metavar="NAMES",
        help="connect orderings whose clients fetch what they miss, separated by commas",
    )
    add("--run-name", default=time.strftime("load-%Y%m%d-%H%M%S"), help="prefix of session ids")
    add(
        "--once",
        action="store_true",
        help="end with the last cell; without it, rounds repeat until stopped",
    )
    add("--delivery", default="", metavar="URL", help="who judges while the test runs")
    add("--max-users", type=int, default=100_000, help="most users that the cluster can hold")


def read_options(parsed: Any, host: str | None) -> Options:
    """The options out of Locust's namespace; `host` is Locust's own.

    Raises UsageError, one line that names the option and what it may be.
    """
    run_name = _text(parsed.run_name)
    if not _RUN_NAME.fullmatch(run_name):
        raise UsageError(f"--run-name: {run_name!r} is not 1 to 56 letters, digits, - or _")
    node_work_ms = _within("--node-work-ms", parsed.node_work_ms, float, 0, 10_000)
    save_lag_ms = _within("--save-lag-ms", parsed.save_lag_ms, float, 0, 10_000)
    store_latency_ms = _store_latency_ms(parsed)
    needed_ms = settle_ms(node_work_ms, save_lag_ms, store_latency_ms or 0.0)
    options = Options(
        host=_address("--host", host, "ws"),
        producer=_address("--producer", parsed.producer, "http"),
        cells=chosen_cells(parsed),
        seed=_within("--chunk7-seed", parsed.chunk7_seed, int, 0, 2**53),
        sessions=_within("--sessions", parsed.sessions, int, 1, 10_000),
        chunk_rate=_chunk_rate(_text(parsed.chunk_rate)),
        jitter=_within("--jitter", parsed.jitter, float, 0, 10),
        duration_ms=round(
            1_000 * _within("--cell-duration-s", parsed.cell_duration_s, float, 0.1, 86_400)
        ),
        settle_ms=_within("--settle-ms", _text(parsed.settle_ms) or needed_ms, int, 50, 600_000),
        node_work_ms=node_work_ms,
        save_lag_ms=save_lag_ms,
        store_latency_ms=store_latency_ms,
        store_delay=_address("--store-delay", parsed.store_delay, "http")
        if parsed.store_delay
        else None,
        records=Path(_text(parsed.records) or Path("runs", run_name, "raw")),
        fill_gaps=frozenset(filter(None, map(str.strip, _text(parsed.fill_gaps).split(",")))),
        run_name=run_name,
        once=bool(parsed.once),
    )
    _check_slots(options)
    return options


def check_users(parsed: Any, users: object, spawn_rate: object) -> None:
    """Raise UsageError for a number of users, or of users a second, that cannot be."""
    _within("users", users, int, 1, parsed.max_users)
    _within("users started a second", spawn_rate, float, 0.01, 100_000)


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


def _store_latency_ms(parsed: Any) -> float | None:
    given = _text(parsed.store_latency_ms)
    if not given:
        return None
    latency_ms = _within("--store-latency-ms", given, float, 0, 10_000)
    if latency_ms and not _text(parsed.store_delay):
        raise UsageError("--store-latency-ms: this cluster has no delay before its store")
    return latency_ms


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _within(
    option: str, value: object, kind: Callable[[str], Number], low: float, high: float
) -> Number:
    try:
        number = kind(_text(value))
    except ValueError:
        number = None
    if number is None or not low <= number <= high:  # also refuses nan
        raise UsageError(f"{option}: {value!r} is not a number from {low} to {high}")
    return number


def _chunk_rate(text: str) -> float | None:
    if text in ("", RECORDED):
        return None
    return _within("--chunk-rate", text, float, 0.01, 10_000)


def _address(option: str, url: str | None, scheme: str) -> str:
    """The URL without a slash at its end."""
    try:
        parts = urlsplit(_text(url))
        good = parts.scheme == scheme and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{option}: {url!r} is not {scheme}://HOST:PORT")
    return _text(url).rstrip("/")


def _check_slots(options: Options) -> None:
    """Later slots of a cell begin with the settle time; joins need what is left of them."""
    slots = slot_count(options.duration_ms)
    slot_ms = options.duration_ms // slots
    if slots > 1 and options.settle_ms >= slot_ms:
        raise UsageError(
            f"--cell-duration-s: {options.duration_ms / 1_000:g} with a settle time of "
            f"{options.settle_ms} ms must be below 7.5, which is one join a user"
        )
