"""What the producer is asked to stream, and what it promises: bodies of its HTTP control API.

The load test asks (`POST /timetable` with an Order), the producer answers with the Timetable, and
from then on both keep to it without talking: it is a function of the order alone but for `epoch`.
"""

import msgspec


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


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to stream. Every cell gets the same sessions and chunks at the same offsets."""

    run: str
    """Prefix of every session id, so that two runs on one store never meet."""
    number: int = 1
    """Which order of its load test this is: 1, 2, ..."""
    cells: list[Cell]
    seed: int
    sessions: int
    """Sessions that stream at the same time, in each cell."""
    duration_ms: int
    """How long each session streams, in each cell."""
    settle_ms: int
    """Quiet time after a cell's last chunk, in which late ones can still arrive."""
    lead_ms: int = 500
    """From the order to the first cell's start."""
    chunk_rate: float | None = None
    """Chunks a second and session, on average; recorded timing is stretched to it. None: as is."""
    jitter: float = 0.0
    """Standard deviation of a chunk's own delay, as a fraction of the mean chunk interval."""
    ttft_ms: float | None = None
    """Time to the first token of each answer; None: as recorded."""
    message_chunks: int | None = None
    """Longest answer, in chunks; None: as recorded."""
    save_lag_ms: float = 0.0
    """What the producer does between its two writes takes this long."""


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

    order: Order
    epoch_ns: int
    epoch_unix_ns: int
    boot_id: str
    sessions: list[SessionPlan]
