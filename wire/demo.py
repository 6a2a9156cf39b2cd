"""One answer on demand, apart from any timetable: what the browser page asks the producer for.

Sessions whose id begins with `demo-` are nobody's load: neither node nor producer records them, so
that they can run beside a test. Bodies of the producer's `/answer`, in docs/protocol.md.
"""

import msgspec

DEMO_PREFIX = "demo-"
"""Begins every session id of the page, and of no timetable."""


def is_demo(session_id: str) -> bool:
    """Whether it is a session of the page, which is not recorded."""
    return session_id.startswith(DEMO_PREFIX)


class AnswerOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One answer, evenly spaced, written at the same instants into one session for each write."""

    session_id: str
    """Prefix of the sessions' ids; it begins with `demo-` and has not been used."""
    writes: list[str]
    chunk_rate: float = 40.0
    """Chunks a second."""
    chunks: int = 160
    """At most; a shorter answer ends earlier."""
    save_lag_ms: float = 0.0
    """What the producer does between its two writes takes this long."""


class AnswerSession(msgspec.Struct, frozen=True):
    """One of the sessions that get the answer."""

    session_id: str
    write: str
    feed: str


class AnswerPromise(msgspec.Struct, frozen=True):
    """What will be streamed, from `lead_ms` after the promise on."""

    sessions: list[AnswerSession]
    answer: str
    """Name of the recorded answer."""
    chunks: int
    chunk_rate: float
    lead_ms: float


class WriteChoice(msgspec.Struct, frozen=True):
    """A write ordering that the producer knows."""

    name: str
    feed: str


class Choices(msgspec.Struct, frozen=True):
    """What may be asked for, bounds inclusive."""

    writes: list[WriteChoice]
    chunk_rate: tuple[float, float]
    chunks: tuple[int, int]
    save_lag_ms: tuple[float, float]
    longest_s: float
    """`chunks` / `chunk_rate` at most."""
