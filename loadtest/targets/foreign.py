"""A visit to somebody else's back end, joined, read and resumed as its adapter says.

What was seen is written down as it came, piece by piece (table `sightings`); which chunks that was
is found out afterwards, when all that was sent is known (`chunk7.analysis.sightings`).
"""

import gevent

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.join_schedule import Visit
from chunk7.loadtest.producer_api import ProducerUnreachable, asked_session
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.targets.adapter import Adapter, in_file
from chunk7.loadtest.targets.client import TargetJoin, open_target
from chunk7.loadtest.targets.errors import (
    ABNORMAL_CLOSURE,
    END_OF_STREAM,
    Closed,
    Refused,
    TargetError,
    TimedOut,
)
from chunk7.loadtest.targets.frame_reader import FrameReader, FrameReading, Sighting, UnreadFrame
from chunk7.loadtest.targets.transport import TargetConnection
from chunk7.loadtest.targets.visit_record import Fire, NoHistory, VisitRecord
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import now_ns
from chunk7.wire.tables import Via

CLOSE_WAIT_S = 0.5
WRONG_ADAPTER = (400, 401, 403, 404, 405, 406, 415, 422)
"""HTTP answers that every other join would get, too: the adapter is wrong, not the moment."""
AWAY_S = 0.1
"""How long a user stays away that is not told: one that is cut off at once must not storm."""
MAX_CONNECTIONS = 100
"""Of one visit, which comes back whenever it is cut off."""


class ForeignVisit:
    """A user's visit: one connection, and more where the adapter says how a client resumes.

    `run` ends by the visit's `leave_ms`, whatever the target does.
    """

    def __init__(
        self, worker: WorkerState, round_: Round, user: int, visit: Visit, fire: Fire
    ) -> None:
        self.worker = worker
        self.round = round_
        self.user = user
        self.visit = visit
        self.fire = fire
        assert worker.options.adapter is not None, "whoever makes a ForeignVisit has one"
        self.adapter: Adapter = worker.options.adapter
        self.reader = FrameReader(self.adapter)
        self.session_id = visit.session_id
        """As the target calls it."""
        self.newest: Sighting | None = None
        """Of the newest chunk: what a client that comes back says it has."""

    def run(self) -> None:
        """Connect, and come back until it is time to leave or there is nothing to come back to."""
        try:
            self._visit()
        except UsageError as error:  # what its own functions made, every other visit meets, too
            self.worker.fail(in_file(self.adapter.file, error), error.exit_code)
        except ProducerUnreachable:
            # Who asks has ended. It knows why, and says so to whoever started it; were we to end
            # the test first, nobody would hear of it.
            return

    def _visit(self) -> None:
        leave_ns = self.round.instant_ns(self.visit.leave_ms)
        if self.adapter.ask is not None:  # there may be no answer yet, and nothing to be joined
            asked = asked_session(self.worker.options.producer, self.visit.session_id, leave_ns)
            if asked is None:
                return  # never begun; the records of who asked say so
            self.session_id = asked
        previous: int | None = None
        for _ in range(MAX_CONNECTIONS):
            connection = ForeignConnection(self, previous)
            connection.run()
            away_s = self._away_s()
            if not connection.comes_back or now_ns() + away_s * 1e9 >= leave_ns:
                return
            previous = connection.connection_id
            gevent.sleep(away_s)

    def said(self) -> Sighting:
        """What the user says it has: its newest chunk, if it may say anything."""
        resume = self.adapter.resume
        silent = resume is None or resume.by == "nothing"
        return Sighting() if silent or self.newest is None else self.newest

    def after(self) -> str | int | None:
        """The same, in the one value that the adapter's target wants to hear; None: nothing."""
        resume = self.adapter.resume
        return None if resume is None else getattr(self.said(), resume.value)

    def _away_s(self) -> float:
        resume = self.adapter.resume
        away_ms = None if resume is None else resume.away_ms
        return AWAY_S if away_ms is None else away_ms / 1_000


class ForeignConnection:
    """One connection of a visit. `previous` is the number of the one that it goes on from.

    A target that closes in order (end of an answer, code 1000) has told its client that this was
    all. One that breaks off or restarts has not: nothing is expected of it from then on, and the
    validity of the run says how many did so.
    """

    def __init__(self, visit: ForeignVisit, previous: int | None) -> None:
        self._visit = visit
        self._worker = visit.worker
        self._record = VisitRecord(
            visit.worker,
            visit.round,
            visit.user,
            visit.visit,
            planned=previous is None and visit.adapter.ask is None,
        )
        self._closed = self._record.closed
        self._resumes = previous is not None
        self._until_ns = self._record.leave_ns
        self._history_ns: int | None = None
        self._last_ns: int | None = None
        self._ended = False
        self.connection_id = self._record.connection_id
        self.comes_back = False
        if previous is not None:
            has = visit.said()
            self._worker.recorder.add(
                "resumes",
                connection_id=self.connection_id,
                previous=previous,
                id=has.id,
                seq=has.seq,
                index=has.index,
            )

    def run(self) -> None:
        """All of it; also when Locust stops the user, the row in `closed` is written."""
        try:
            connection = self._open()
            if connection is not None:
                self._worker.open_count += 1
                try:
                    self._stay(connection)
                finally:
                    self._worker.open_count -= 1
        finally:
            self._record.write_closed(history_ns=self._history_ns, heartbeats=0, fetches=0)

    def _open(self) -> TargetConnection | None:
        visit = self._visit
        join = TargetJoin(visit.session_id, visit.user, self.connection_id, visit.after())
        try:
            connection = open_target(visit.adapter, join, self._record.leave_ns / 1e9)
        except Closed as closed:  # at once: who comes back is told that there is nothing more
            self._closed["connected_ns"] = self._closed["closed_ns"] = now_ns()
            visit.fire("connect", self._record.since_opening_ms(now_ns()))
            self._note_close(closed)
            return None
        except TargetError as error:
            visit.fire("connect", self._record.since_opening_ms(now_ns()), error)
            self._closed["error"] = str(error)
            if isinstance(error, Refused) and error.status in WRONG_ADAPTER:
                line = f"{visit.adapter.file}: url: the target answers {error}"
                self._worker.fail(f"{line}; `chunk7 target check` says what to look at", 2)
            return None
        self._closed["connected_ns"] = now_ns()
        visit.fire("connect", self._record.since_opening_ms(self._closed["connected_ns"]))
        return connection

    def _stay(self, connection: TargetConnection) -> None:
        failure: Exception | None = None
        close_wait_s = 0.0
        try:
            self._read(connection)
            close_wait_s = CLOSE_WAIT_S
            self.comes_back = self._until_ns < self._record.leave_ns
        except Closed as closed:
            failure = self._note_close(closed)
        except (TargetError, UnreadFrame) as error:
            failure = error
            self._closed["error"] = str(error)
            if isinstance(error, UnreadFrame):
                self._worker.fail(in_file(self._visit.adapter.file, error), 2)
        finally:  # also when Locust stops the user
            self._closed["closed_ns"] = now_ns()
            connection.close(close_wait_s)
        self._fire_outcome(failure)

    def _note_close(self, closed: Closed) -> Closed | None:
        self._closed["close_code"] = closed.code
        self._closed["close_reason"] = closed.reason
        self._closed["by_server"] = in_order = self._ended or closed.code == END_OF_STREAM
        if in_order:
            return None
        self._closed["error"] = (
            "the connection broke" if closed.code == ABNORMAL_CLOSURE else f"the target {closed}"
        )
        self.comes_back = self._visit.adapter.resume is not None
        return closed

    def _read(self, connection: TargetConnection) -> None:
        """The hot path. Returns when it is time to leave; raises TargetError, UnreadFrame."""
        read = self._visit.reader.read
        at_ns = 0
        while at_ns < self._until_ns:
            try:
                messages = connection.receive(self._until_ns / 1e9)
            except TimedOut:
                return
            at_ns = now_ns()
            for message in messages:
                self._take(read(message), at_ns)

    def _take(self, reading: FrameReading, at_ns: int) -> None:
        if reading.kind == "history" and self._history_ns is None:
            self._history_ns = at_ns
            self._visit.fire("history", self._record.since_connected_ms(at_ns))
        self._ended = self._ended or reading.kind == "end"
        if not reading.sightings:
            return
        via = Via.HISTORY if reading.kind == "history" else Via.LIVE
        add_row, connection_id = self._worker.recorder.add_row, self.connection_id
        own = self._visit.session_id
        for seen in reading.sightings:
            # None: of the session that was joined, whatever the target calls it.
            session = None if seen.session_id == own else seen.session_id
            row = (session, seen.message_id, seen.index, seen.seq, seen.id, seen.text)
            add_row("sightings", (connection_id, *row, via, at_ns))
        self._visit.newest = reading.sightings[-1]
        if self._last_ns is None:
            self._plan_drop(at_ns)
        self._last_ns = at_ns

    def _plan_drop(self, first_ns: int) -> None:
        """A first connection that is to be dropped is, some time after its first chunk."""
        resume = self._visit.adapter.resume
        if resume is not None and resume.drop_after_ms is not None and not self._resumes:
            drop_ns = first_ns + resume.drop_after_ms * 1_000_000
            self._until_ns = min(self._until_ns, drop_ns)

    def _fire_outcome(self, failure: Exception | None) -> None:
        if self._last_ns is None and failure is None:
            failure = NoHistory("nothing was received")
        self._visit.fire("complete", None, failure)
