"""A user that has lost its connection: since when, how it comes back, and what is noted of that.

It waits before each try for a time drawn evenly from nothing up to a bound that doubles with every
try ("full jitter"), so that users who lost their node together do not come back together.
"""

import random
from dataclasses import dataclass
from typing import Any

import gevent

from chunk7.loadtest.client_faults import UserStrike
from chunk7.loadtest.targets.errors import (
    ABNORMAL_CLOSURE,
    Closed,
    Refused,
    TargetError,
    WrongAnswer,
)
from chunk7.loadtest.targets.visit_record import Fire, VisitRecord
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import now_ns

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0
"""Bounds of the first wait, and of any. A connection that lasted so long begins anew."""
TRY_WITHIN_S = 2.0
"""A try that takes longer is given up: a paused node takes connections and answers none."""
_OUR_FAULT = (1003, 1008)
_TOO_MANY = 429


class NotBack(Exception):
    """The user's time was over before it had come back."""


class Dropped(Closed):
    """The user itself broke the connection off, as a fault of the plan."""

    def __init__(self, fault: str) -> None:
        super().__init__(ABNORMAL_CLOSURE, fault)


class LeftEarly(Exception):
    """The user went for good before its time, as a fault of the plan."""


def suffer(strike: UserStrike, leave_ns: int) -> None:
    """What the fault does to one user, who leaves then anyway. Raises Dropped, LeftEarly."""
    with strike.strike():
        if strike.leaves:
            raise LeftEarly
        if strike.breaks_off:
            raise Dropped(strike.name)
        still_ns = min(strike.for_ns, leave_ns - now_ns())
        gevent.sleep(max(0, still_ns) / 1e9)


def another_try_may_help(failure: Exception) -> bool:
    """Not where the server found the user at fault, or speaks another protocol."""
    if isinstance(failure, Closed):
        return failure.code not in _OUR_FAULT
    if isinstance(failure, Refused):
        return failure.status == _TOO_MANY or failure.status >= 500
    return isinstance(failure, TargetError) and not isinstance(failure, WrongAnswer)


@dataclass(frozen=True, slots=True)
class Lost:
    """How the last connection that served the user ended; `code` is None if there was none."""

    at_ns: int
    code: int | None
    reason: str


class Away:
    """The times of one visit in which its user has no connection.

    `lost` is None while there is one. Every try is a row in `returns`; every return a Locust event
    `reconnect`, which lasts from the loss to the history.
    """

    def __init__(
        self, worker: WorkerState, record: VisitRecord, draws: random.Random, fire: Fire
    ) -> None:
        self.lost: Lost | None = None
        self._worker = worker
        self._recorder = worker.recorder
        self._record = record
        self._draws = draws
        self._fire = fire
        self._row: dict[str, Any] | None = None
        self._tries = 0
        self._served_ns: int | None = None

    def lose(self, at_ns: int, failure: Exception, was_open: bool) -> None:
        """A connection ended, or a try to open one failed.

        Whoever had been served is away since then, however many tries fail; before that a
        connection that was open says more of how it ended than one that was not.
        """
        self._write_row(str(failure))
        if self._served_ns is not None and at_ns - self._served_ns >= LONGEST_WAIT_S * 1e9:
            self._tries = 0
        if self.lost is None or (was_open and self._served_ns is None):
            code = failure.code if isinstance(failure, Closed) else None
            reason = failure.reason if isinstance(failure, Closed) else str(failure)
            self.lost = Lost(at_ns, code, reason)

    def next_try(self, after_seq: int) -> int | None:
        """Wait; the id of the connection to try now, None when it would be time to leave."""
        assert self.lost is not None, "only who has lost a connection comes back"
        bound_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._tries, 10))
        wait_s = self._draws.uniform(0, bound_s)
        if now_ns() + wait_s * 1e9 >= self._record.leave_ns:
            return None
        self._tries += 1
        gevent.sleep(wait_s)
        connection_id = self._worker.next_connection_id()
        self._row = {
            "connection_id": connection_id,
            "first_id": self._record.connection_id,
            "lost_ns": self.lost.at_ns,
            "lost_code": self.lost.code,
            "lost_reason": self.lost.reason,
            "opening_ns": now_ns(),
            "after_seq": after_seq,
        }
        return connection_id

    def connect(self, at_ns: int) -> None:
        """The connection that is being tried is open."""
        if self._row is not None:
            self._row["connected_ns"] = at_ns

    def serve(self, at_ns: int) -> None:
        """A history has come: the user has a connection again."""
        self._served_ns = at_ns
        if self._row is None or self.lost is None:
            return
        self._row["history_ns"] = at_ns
        self._write_row(None)
        self._fire("reconnect", (at_ns - self.lost.at_ns) / 1e6)
        self.lost = None

    def give_up(self) -> None:
        """The visit is over as far as the user is concerned; tell if it was still away."""
        if self.lost is not None and self._tries:
            away_ms = (now_ns() - self.lost.at_ns) / 1e6
            self._fire("reconnect", away_ms, NotBack("not back before it was time to leave"))

    def end(self) -> None:
        """The visit is over, however; a try that was under way is written down as it is."""
        self._write_row(None)

    def _write_row(self, error: str | None) -> None:
        row, self._row = self._row, None
        if row is not None:
            self._recorder.add("returns", **row, error=error)
