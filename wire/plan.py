"""The plan of a run: who streams what, who joins when, and what slows them, in one record.

The load test sends it to the producer (`POST /timetable`), which answers with the Timetable; from
then on both keep to it without talking: every instant but the epoch follows from the plan. The
producer's records and the run's manifest have it, so whoever judges a run knows as much.

A parameter is one entry of `Plan`, with its unit, default, bounds and help. Checks, options,
Locust's form and the documentation of these take it from there (`wire/parameters.py`).
"""

import argparse
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from chunk7.delivery.errors import UsageError
from chunk7.wire.demo import is_demo
from chunk7.wire.parameters import Parameter, parameters, read_all
from chunk7.wire.visible import is_plain

MAX_SESSIONS = 100_000
"""Of all cells together: the timetable names each."""
MAX_NAME = 1_024
"""Characters of an ordering's name, which may be the path of its file."""
MAX_SEED = 2**53
"""What every JSON reader keeps exactly."""
SLOT_MS = 5_000
"""A user joins about once in this time."""
STAY = 0.8
"""Part of the quiet time that a visit outlasts its slot by; the rest is for closing."""
GONE = 0.9
"""Part of the quiet time after which a cell's clients are gone."""
QUIET_MS = 1_200
"""The quiet time where nothing is slow."""
LEAD_MS = 1_000
"""From the plan's coming to the first cell, beside what its users take to work out their visits:
who carries out faults gets ready in it, or else what judges is imported.
"""
_LEAD_EACH_MS = 0.1
"""A user: twice what its visits of eleven cells take one process."""
_ROUND_TRIPS = 6
"""Of a join to the store, at most."""
_RUN = re.compile(r"[A-Za-z0-9_-]{1,64}")

NOBODY = "nobody"
"""The target of a fault that found nothing to strike: it is in the records, and did nothing."""


class Cell(msgspec.Struct, frozen=True):
    """One connect x write combination of a run, in its place in the run's order.

    The producer uses `write`, the load test `connect`.
    """

    connect: str
    write: str

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.connect} x {self.write}"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a run, or a round of a load test, is to be. Every cell has the same sessions, chunks
    and joins at the same offsets. Instants are ms after the timetable's epoch."""

    run: str
    """Prefix of every session id, so that two runs on one store never meet."""
    cells: list[Cell]
    faults: tuple[str, ...] = ()
    """What strikes every cell, as it was typed: chunk7.faults.schedule reads it."""
    number: Annotated[int, Parameter(low=1, high=2**31 - 1, what="round of its load test")] = 1
    seed: Annotated[int, Parameter(low=0, high=MAX_SEED, what="what all randomness comes from")] = 7
    users: Annotated[
        int,
        Parameter(
            low=1, high=100_000, unit="users", alone=False,
            what="WebSocket users, each of whom joins about once in 5 s of a cell",
        ),
    ] = 120  # fmt: skip
    sessions: Annotated[
        int,
        Parameter(
            low=1, high=10_000, unit="sessions", usual=(1, 2, 5, 10, 20, 50, 100, 200),
            what="answers that are streamed at the same time",
        ),
    ] = 10  # fmt: skip
    chunk_rate: Annotated[
        float | None,
        Parameter(
            low=0.1, high=10_000, unit="chunks/s", none="recorded",
            usual=(5, 10, 20, 50, 100, 200, 500),
            what="chunks a second and session, to which recorded timing is stretched",
        ),
    ] = 50.0  # fmt: skip
    duration_ms: Annotated[
        int,
        Parameter(
            low=100, high=86_400_000, unit="ms", per_s=1_000, option="--duration",
            usual=(2, 3.5, 10, 30, 60, 300), what="seconds of streaming for each cell",
        ),
    ] = 3_500  # fmt: skip
    jitter: Annotated[
        float,
        Parameter(
            low=0, high=10,
            what="standard deviation of each chunk's own delay, in mean chunk intervals",
        ),
    ] = 0.0  # fmt: skip
    ttft_ms: Annotated[
        float | None,
        Parameter(
            low=0, high=600_000, unit="ms", none="recorded",
            what="time to the first token of each answer, in milliseconds",
        ),
    ] = None  # fmt: skip
    message_chunks: Annotated[
        int | None,
        Parameter(
            low=1, high=1_000_000, unit="chunks", none="recorded", what="longest answer, in chunks"
        ),
    ] = None  # fmt: skip
    save_lag_ms: Annotated[
        float,
        Parameter(
            low=0, high=10_000, unit="ms", delay=True, usual=(0, 1, 2, 5, 10, 20, 50, 100),
            what="what the producer does between its two writes, in milliseconds",
        ),
    ] = 5.0  # fmt: skip
    node_work_ms: Annotated[
        float,
        Parameter(
            low=0, high=10_000, unit="ms", delay=True, alone=False,
            usual=(0, 1, 2, 5, 10, 20, 50, 100, 200),
            what="what a node does between its two steps, in milliseconds",
        ),
    ] = 0.0  # fmt: skip
    store_latency_ms: Annotated[
        float,
        Parameter(
            low=0, high=10_000, unit="ms", delay=True, alone=False,
            usual=(0, 0.5, 1, 2, 5, 10, 20, 50),
            what="delay between processes and store, each way, in milliseconds",
        ),
    ] = 0.0  # fmt: skip
    settle_ms: Annotated[
        int | None,
        Parameter(
            low=0, high=600_000, unit="ms", none="enough", alone=False,
            what="quiet time after each cell's last chunk, in milliseconds",
        ),
    ] = None  # fmt: skip
    lead_ms: Annotated[
        int | None,
        Parameter(
            low=0, high=600_000, unit="ms", none="enough",
            what="from the plan's coming to the first cell: time for every user to hear of it",
        ),
    ] = None  # fmt: skip

    @property
    def quiet_ms(self) -> int:
        """Quiet time after each cell: long enough for the last join and the last write to end."""
        if self.settle_ms is not None:
            return self.settle_ms
        trips_ms = 2 * _ROUND_TRIPS * self.store_latency_ms
        return QUIET_MS + round((self.node_work_ms + self.save_lag_ms + trips_ms) / STAY)

    @property
    def first_ms(self) -> float:
        """When the first cell starts: late enough for every user to have heard of it."""
        if self.lead_ms is not None:
            return self.lead_ms
        return LEAD_MS + _LEAD_EACH_MS * self.users

    @property
    def slots(self) -> int:
        """How many visits a user makes in a cell: it is cut into so many equal slots."""
        return max(1, round(self.duration_ms / SLOT_MS))

    @property
    def slot_ms(self) -> float:
        """Length of a slot."""
        return self.duration_ms / self.slots

    def cell_start_ms(self, cell: int) -> float:
        """When a cell starts; its first session a little later."""
        return self.first_ms + cell * (self.duration_ms + self.quiet_ms)

    def cell_gone_ms(self, cell: int) -> float:
        """When a cell's clients have left."""
        return self.cell_start_ms(cell) + self.duration_ms + GONE * self.quiet_ms

    @property
    def length_ms(self) -> float:
        """From the first cell's start until the last one has settled."""
        return len(self.cells) * (self.duration_ms + self.quiet_ms)

    @property
    def end_ms(self) -> float:
        """When the last cell has settled."""
        return self.first_ms + self.length_ms

    def session_id(self, cell: int, session: int) -> str:
        """Unique among all runs that share a store."""
        return f"{self.run}-{cell}-{session}"


class SessionPlan(msgspec.Struct, frozen=True):
    """One session of one cell. Instants are milliseconds after the timetable's epoch."""

    session_id: str
    cell: int
    start_ms: float
    end_ms: float
    """Intended instant of the last chunk."""
    chunks: int


class Timetable(msgspec.Struct, frozen=True):
    """The producer's promise. `epoch_ns` is on its CLOCK_MONOTONIC, `epoch_unix_ns` everywhere."""

    plan: Plan
    epoch_ns: int
    epoch_unix_ns: int
    boot_id: str
    sessions: list[SessionPlan]


PARAMETERS: dict[str, Parameter] = parameters(Plan)
OPTIONS: dict[str, Parameter] = {
    name: parameter for name, parameter in PARAMETERS.items() if name not in ("number", "lead_ms")
}
"""Those that people choose; whoever sends the plan says the others."""


def check(plan: Plan) -> None:
    """Raise UsageError naming the first field that is out of its bounds, and the bounds."""
    if not _RUN.fullmatch(plan.run):
        raise UsageError(f"run: {plan.run!r} is not 1 to 64 letters, digits, - or _")
    if is_demo(plan.run):
        raise UsageError(f"run: {plan.run!r} is a name of the browser page, which is not recorded")
    for name, parameter in PARAMETERS.items():
        parameter.check(getattr(plan, name))
    for number, cell in enumerate(plan.cells):
        for field, name in (("connect", cell.connect), ("write", cell.write)):
            if len(name) > MAX_NAME or not is_plain(name):
                shown = ascii(name[:40])
                raise UsageError(f"cells[{number}].{field}: {shown} is not plain text in a line")
    if not plan.cells or len(plan.cells) * plan.sessions > MAX_SESSIONS:
        raise UsageError(
            f"cells: {len(plan.cells)} with {plan.sessions} sessions each; "
            f"want at least one cell and at most {MAX_SESSIONS} sessions together"
        )
    if plan.slots > 1 and plan.quiet_ms >= plan.slot_ms:  # later slots begin with the quiet time
        raise UsageError(
            f"duration_ms: a join may take {plan.quiet_ms} ms with these latencies, so it must be "
            "below 7.5 s, which is one join a user"
        )


def add_options(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup",
    known: Mapping[str, Parameter] = OPTIONS,
    *,
    vetted: bool = True,
    **defaults: float,
) -> None:
    """Declare the options of a plan, with a command's own defaults by field."""
    for name, parameter in known.items():
        parameter.add_to(parser, defaults.get(name), vetted=vetted)


def read_plan(given: Mapping[str, object], **fixed: Any) -> Plan:
    """The plan of a namespace that has options of it, and of fields that it does not have.

    Raises UsageError naming the option and what it may be.
    """
    plan = Plan(**{**read_all(OPTIONS, given), **fixed})
    try:
        check(plan)
    except UsageError as error:
        raise UsageError(as_options(str(error))) from error
    return plan


def as_options(message: str) -> str:
    """What is wrong with a plan, for people who know its fields as options."""
    head, colon, rest = message.partition(":")
    spelled = {"run": "--run"} | {name: found.option for name, found in OPTIONS.items()}
    words = [spelled.get(word, word) for word in re.split(r"(\w+)", head)]
    return "".join(words) + colon + rest
