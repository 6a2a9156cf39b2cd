"""The load test's own options, beside Locust's: declared, then read and checked as one record.

They arrive as Locust keeps them (`environment.parsed_options`): from the command line, or typed
into the web UI, or sent by the master. So they are read at each test's start, and everything is
checked here, whatever its source.
"""

import re
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from delivery.errors import UsageError
from loadtest.itinerary import slot_count
from wire.timetable import Cell, Order

Number = TypeVar("Number", int, float)

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
    """Declare the options; Locust shows them in its web UI as well."""
    add = parser.add_argument_group("chunk7").add_argument
    add("--producer", default="http://127.0.0.1:8090", metavar="URL", help="its HTTP address")
    add("--connect", default="history_then_subscribe", metavar="NAME", help="connect ordering")
    add("--write", default="publish_then_save", metavar="NAME", help="write ordering")
    add("--cells", default="", metavar="'A x B; C x D'", help="instead of --connect and --write")
    add("--sessions", type=int, default=10, help="sessions that stream at the same time")
    add("--chunk-rate", default="", help="chunks a second and session; empty: as recorded")
    add("--jitter", type=float, default=0.0, help="of a chunk's delay, in mean intervals")
    add("--cell-duration-s", type=float, default=10.0, help="how long each cell streams")
    add("--settle-ms", type=int, default=1000, help="quiet time after each cell")
    add("--node-work-ms", type=float, default=0.0, help="the node's work between its two steps")
    add("--save-lag-ms", type=float, default=0.0, help="the producer's, between its two writes")
    add("--records", default="", metavar="DIR", help="default: runs/RUN_NAME/raw")
    add("--chunk7-seed", type=int, default=7, help="of joins and chunks")
    add(
        "--fill-gaps",
        default="sequence_gap_fill",
        metavar="NAMES",
        help="connect orderings whose clients fetch what they miss, separated by commas",
    )
    add("--run-name", default=time.strftime("load-%Y%m%d-%H%M%S"), help="prefix of session ids")
    add("--once", action="store_true", help="end with the last cell; else begin again")


def read_options(parsed: Any, host: str | None) -> Options:
    """The options out of Locust's namespace; `host` is Locust's own.

    Raises UsageError, one line that names the option and what it may be.
    """
    run_name = _text(parsed.run_name)
    if not _RUN_NAME.fullmatch(run_name):
        raise UsageError(f"--run-name: {run_name!r} is not 1 to 56 letters, digits, - or _")
    options = Options(
        host=_address("--host", host, "ws"),
        producer=_address("--producer", parsed.producer, "http"),
        cells=_cells(_text(parsed.cells), _text(parsed.connect), _text(parsed.write)),
        seed=_within("--chunk7-seed", parsed.chunk7_seed, int, 0, 2**53),
        sessions=_within("--sessions", parsed.sessions, int, 1, 10_000),
        chunk_rate=_chunk_rate(_text(parsed.chunk_rate)),
        jitter=_within("--jitter", parsed.jitter, float, 0, 10),
        duration_ms=round(
            1_000 * _within("--cell-duration-s", parsed.cell_duration_s, float, 0.1, 86_400)
        ),
        settle_ms=_within("--settle-ms", parsed.settle_ms, int, 50, 600_000),
        node_work_ms=_within("--node-work-ms", parsed.node_work_ms, float, 0, 10_000),
        save_lag_ms=_within("--save-lag-ms", parsed.save_lag_ms, float, 0, 10_000),
        records=Path(_text(parsed.records) or Path("runs", run_name, "raw")),
        fill_gaps=frozenset(filter(None, map(str.strip, _text(parsed.fill_gaps).split(",")))),
        run_name=run_name,
        once=bool(parsed.once),
    )
    _check_slots(options)
    return options


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
    return _within("--chunk-rate", text, float, 0.01, 10_000) if text else None


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


def _cells(text: str, connect: str, write: str) -> tuple[Cell, ...]:
    if not text:
        text = f"{connect} x {write}"
    cells = []
    for item in filter(None, map(str.strip, text.split(";"))):
        names = re.split(r"\s+x\s+", f" {item} ")
        if len(names) != 2 or not all(map(str.strip, names)):
            raise UsageError(f"--cells: {item!r} is not CONNECT x WRITE")
        cells.append(Cell(names[0].strip(), names[1].strip()))
    if not cells:
        raise UsageError("--cells: at least one CONNECT x WRITE")
    return tuple(cells)


def _check_slots(options: Options) -> None:
    """Later slots of a cell begin with the settle time; joins need what is left of them."""
    slots = slot_count(options.duration_ms)
    slot_ms = options.duration_ms // slots
    if slots > 1 and options.settle_ms >= slot_ms:
        raise UsageError(
            f"--settle-ms: {options.settle_ms} leaves no time to join in, less than {slot_ms} "
            f"with --cell-duration-s {options.duration_ms / 1_000:g}"
        )
