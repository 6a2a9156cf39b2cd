"""One visit: open a connection, read until it is time to leave, come back whenever it is lost."""

import random
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote, urlencode

from chunk7.delivery.gaps import GapTracker
from chunk7.loadtest.join_schedule import Visit
from chunk7.loadtest.options import LoadOptions
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.targets.away import (
    TRY_WITHIN_S,
    Away,
    Dropped,
    LeftEarly,
    another_try_may_help,
    suffer,
)
from chunk7.loadtest.targets.errors import Closed, Refused, TargetError, TimedOut
from chunk7.loadtest.targets.incoming import Payload
from chunk7.loadtest.targets.reader import BadFrame, Reader
from chunk7.loadtest.targets.visit_record import Fire, NoHistory, VisitRecord
from chunk7.loadtest.targets.websocket import WebSocket, connect
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import now_ns

ALL_REFUSED = (400, 401, 403)
"""What a node answers when all others would be refused, too."""
TOKEN_VALID_S = 60.0


class IncompleteAnswer(Exception):
    """The user left, and knows of chunks that it never got."""


class Connection:
    """A user's visit to a session. `run` ends by the visit's `leave_ms`, whatever the server does.

    When the server or the network ends its connection, the user comes back (`Away`) and resumes
    after what it has. A first try that fails is the end, unless a fault of the plan may be why: a
    load test of nothing must not look like one of a cluster that recovers. A user that a fault has
    leave is through: what it lacks is not due to it, and nobody says here what that is.

    Phases, each one Locust event: `connect` (opening to open) and `history` (open to the history
    frame) of the first connection, `reconnect` (loss to history) for each return, `complete` (the
    whole visit, whose length is the plan's and no response time; an error if chunks are known to
    be missing).
    """

    def __init__(
        self, worker: WorkerState, round_: Round, user: int, visit: Visit, fire: Fire
    ) -> None:
        self._worker = worker
        self._visit = visit
        self._user = user
        self._fire = fire
        self._faults = worker.client_faults(round_)
        self._record = VisitRecord(worker, round_, user, visit)
        self._closed = self._record.closed
        seed = f"{round_.timetable.plan.seed} return {user} {visit.cell} {visit.join_ms}"
        self._away = Away(worker, self._record, random.Random(seed), fire)
        recorder = worker.recorder
        self._answers: list[bytes] = []
        self._left_early = False
        self._reader = Reader(
            self._record.connection_id,
            recorder.add_receipt,
            fills_gaps=visit.connect in worker.options.fill_gaps,
        )

    def run(self) -> None:
        """The whole visit; also when Locust stops the user, the row in `closed` is written."""
        try:
            self._fire_outcome(self._stay_connected())
        finally:
            self._away.end()
            self._write_closed()

    def _stay_connected(self) -> Exception | None:
        """Come back as often as it takes; how the visit ended, None if the user left in time."""
        connection_id = self._record.connection_id
        while True:  # until it is time to leave: each pass waits longer
            failure = self._visit_once(connection_id)
            if failure is None or not self._may_return(failure):
                return failure
            next_id = self._away.next_try(self._reader.gaps.resume_after)
            if next_id is None:
                return failure
            connection_id = next_id
            self._reader.rejoin()

    def _may_return(self, failure: Exception) -> bool:
        has_been = "connected_ns" in self._closed
        return another_try_may_help(failure) and (has_been or self._faults.may_be_under_way())

    def _visit_once(self, connection_id: int) -> Exception | None:
        """One connection, from its opening to its end; how it was lost, None if it was not."""
        try:
            options, gaps = self._worker.options, self._reader.gaps
            url = _url(options, self._visit, self._user, connection_id, gaps)
            socket = connect(url, self._open_until_s(), _headers(options, self._visit))
        except TargetError as error:
            self._note_refusal(error)
            return error
        self._note_open()
        self._worker.open_count += 1
        try:
            failure = self._stay(socket)
        finally:
            self._worker.open_count -= 1
            self._note_history()
        if isinstance(failure, Closed):
            self._away.lose(self._closed["closed_ns"], failure, was_open=True)
        return failure

    def _open_until_s(self) -> float:
        leave_s = self._record.leave_ns / 1e9
        patient = self._away.lost is None and not self._faults.may_be_under_way()
        return leave_s if patient else min(leave_s, now_ns() / 1e9 + TRY_WITHIN_S)

    def _note_refusal(self, error: TargetError) -> None:
        if self._away.lost is None:
            self._fire("connect", self._record.since_opening_ms(now_ns()), error)
            self._closed["error"] = str(error)
        self._away.lose(now_ns(), error, was_open=False)
        if isinstance(error, Refused) and error.status in ALL_REFUSED:
            self._worker.fail(f"the node refuses the connection: {error}", 2)

    def _note_open(self) -> None:
        at_ns = now_ns()
        if self._away.lost is None:
            self._fire("connect", self._record.since_opening_ms(at_ns))
        self._closed.setdefault("connected_ns", at_ns)
        self._closed.pop("error", None)
        self._away.connect(at_ns)

    def _note_history(self) -> None:
        """Of the visit's connections the first that brought one counts."""
        for name in ("history_ns", "welcome_ns"):
            if self._closed.get(name) is None:
                self._closed[name] = getattr(self._reader, name)

    def _stay(self, socket: WebSocket) -> Exception | None:
        """Read until it is time to leave; how the connection was lost, None if it was not."""
        part = partial(socket.close, 0.0)  # nobody is there to answer
        try:
            self._read(socket)
            part = partial(socket.close)
        except Dropped as dropped:
            part = partial(socket.drop)
            return dropped
        except Closed as closed:
            return closed
        except BadFrame as error:
            self._closed["error"] = str(error)
            return error
        finally:  # also when Locust stops the user
            self._closed["closed_ns"] = now_ns()
            part()
        return None

    def _read(self, socket: WebSocket) -> None:
        """Returns when it is time to leave; raises Closed, BadFrame, Dropped."""
        leave_ns = self._record.leave_ns
        coming = self._faults.await_(self._user, self._visit.cell)
        try:
            while coming and coming[0].at_ns < leave_ns:
                self._read_until(socket, coming[0].at_ns)
                suffer(coming.pop(0), leave_ns)
            self._read_until(socket, leave_ns)
        except LeftEarly:
            self._left_early = True
        finally:
            for strike in coming:
                strike.spare()

    def _read_until(self, socket: WebSocket, until_ns: int) -> None:
        """Raises Closed, BadFrame."""
        reader, deadline_s = self._reader, until_ns / 1e9
        while now_ns() < until_ns:
            was_served = reader.history_ns is not None
            try:
                socket.follow(deadline_s, self._take)
            except TimedOut:
                return
            answers, self._answers = self._answers, []
            for answer in answers:
                socket.send(answer)
            if reader.history_ns is not None and not was_served:
                self._note_served(reader.history_ns)

    def _take(self, payloads: Sequence[Payload], at_ns: int) -> bool:
        """The hot path, in the hub; whether there is something to do for the user."""
        reader = self._reader
        for payload in payloads:
            answer = reader.take(payload, at_ns)
            if answer is not None:
                self._answers.append(answer)
        return bool(self._answers) or reader.history_ns == at_ns

    def _note_served(self, at_ns: int) -> None:
        if self._away.lost is None:
            self._fire("history", self._record.since_connected_ms(at_ns))
        self._away.serve(at_ns)

    def _fire_outcome(self, failure: Exception | None) -> None:
        self._away.give_up()
        if "connected_ns" not in self._closed:
            return
        reader, visit = self._reader, self._visit
        if self._closed["history_ns"] is None:
            open_ms = self._record.since_connected_ms(self._closed["closed_ns"])
            self._fire("history", open_ms, NoHistory(reader.error or "no history frame came"))
        stayed = failure is None and not self._left_early
        if stayed and visit.chunks_due is not None:
            reader.gaps.learn_head(visit.chunks_due)
        if stayed and reader.gaps.missing() is not None:
            failure = IncompleteAnswer("chunks missing")  # Locust keeps a row for each wording
        self._fire("complete", None, failure)

    def _write_closed(self) -> None:
        """A visit that was cut for good ended where it was cut; the user still wanted the rest."""
        reader, lost = self._reader, self._away.lost
        if lost is not None and "connected_ns" in self._closed:
            self._closed |= {
                "by_server": True,
                "closed_ns": lost.at_ns,
                "close_code": lost.code,
                "close_reason": lost.reason,
            }
        self._record.write_closed(
            reader.error, heartbeats=reader.heartbeats, fetches=reader.fetches
        )


def _headers(options: LoadOptions, visit: Visit) -> dict[str, str]:
    """A token in a header, not in the URL, which may be shown."""
    if options.tokens is None:
        return {}
    return {"Authorization": f"Bearer {options.tokens.make(visit.session_id, TOKEN_VALID_S)}"}


def _url(
    options: LoadOptions, visit: Visit, user: int, connection_id: int, gaps: GapTracker
) -> str:
    fields = {
        "ordering": visit.connect,
        "user_id": user,
        "connection_id": connection_id,
        "after_seq": gaps.resume_after,
        "work_ms": options.plan.node_work_ms,
    }
    if gaps.epoch is not None and gaps.resume_after:
        fields["epoch"] = gaps.epoch
    return f"{options.host}/ws/{quote(visit.session_id, safe='')}?{urlencode(fields)}"
