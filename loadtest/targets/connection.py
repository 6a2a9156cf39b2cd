"""One visit's connection: open, read until it is time to leave, close, write it down."""

from urllib.parse import quote, urlencode

from chunk7.loadtest.join_schedule import Visit
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.targets.errors import Closed, Refused, TargetError, TimedOut
from chunk7.loadtest.targets.reader import BadFrame, Reader
from chunk7.loadtest.targets.visit_record import Fire, NoHistory, VisitRecord
from chunk7.loadtest.targets.websocket import CLOSE_WAIT_S, WebSocket, connect
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import now_ns


class IncompleteAnswer(Exception):
    """The user left, and knows of chunks that it never got."""


class Connection:
    """A user's visit to a session. `run` ends by the visit's `leave_ms`, whatever the server does.

    Phases, each one Locust event: `connect` (opening to open), `history` (open to the history
    frame), `complete` (the whole visit, whose length is the plan's and no response time; an error
    if chunks are known to be missing).
    """

    def __init__(
        self, worker: WorkerState, round_: Round, user: int, visit: Visit, fire: Fire
    ) -> None:
        self._worker = worker
        self._visit = visit
        self._user = user
        self._fire = fire
        self._record = VisitRecord(worker, round_, user, visit)
        self._closed = self._record.closed
        recorder = worker.recorder
        self._reader = Reader(
            self._record.connection_id,
            lambda receipt: recorder.add_row("receipts", receipt),
            fills_gaps=visit.connect in worker.options.fill_gaps,
        )

    def run(self) -> None:
        """The whole visit; also when Locust stops the user, the row in `closed` is written."""
        try:
            socket = self._open()
            if socket is not None:
                self._worker.open_count += 1
                try:
                    self._stay(socket)
                finally:
                    self._worker.open_count -= 1
        finally:
            self._write_closed()

    def _open(self) -> WebSocket | None:
        try:
            socket = connect(self._url(), self._record.leave_ns / 1e9)
        except TargetError as error:
            self._fire("connect", self._record.since_opening_ms(now_ns()), error)
            self._closed["error"] = str(error)
            if isinstance(error, Refused) and error.status == 400:  # all others would be, too
                self._worker.fail(f"the node refuses the connection: {error}", 2)
            return None
        self._closed["connected_ns"] = now_ns()
        self._fire("connect", self._record.since_opening_ms(self._closed["connected_ns"]))
        return socket

    def _url(self) -> str:
        options = self._worker.options
        fields = {
            "ordering": self._visit.connect,
            "user_id": self._user,
            "connection_id": self._record.connection_id,
            "after_seq": 0,
            "work_ms": options.plan.node_work_ms,
        }
        return f"{options.host}/ws/{quote(self._visit.session_id, safe='')}?{urlencode(fields)}"

    def _stay(self, socket: WebSocket) -> None:
        failure: Exception | None = None
        close_wait_s = 0.0
        try:
            self._read(socket)
            close_wait_s = CLOSE_WAIT_S
        except Closed as closed:
            failure = closed
            self._closed["by_server"] = True
            self._closed["close_code"] = closed.code
            self._closed["close_reason"] = closed.reason
        except BadFrame as error:
            failure = error
            self._closed["error"] = str(error)
        finally:  # also when Locust stops the user
            self._closed["closed_ns"] = now_ns()
            socket.close(close_wait_s)
        self._fire_outcome(failure)

    def _read(self, socket: WebSocket) -> None:
        """The hot path. Returns when it is time to leave; raises Closed, BadFrame."""
        reader = self._reader
        leave_ns = self._record.leave_ns
        deadline_s = leave_ns / 1e9
        at_ns = 0
        while at_ns < leave_ns:
            try:
                payloads = socket.receive(deadline_s)
            except TimedOut:
                return
            at_ns = now_ns()
            for payload in payloads:
                answer = reader.take(payload, at_ns)
                if answer is not None:
                    socket.send(answer)
            if reader.history_ns == at_ns:
                self._fire("history", self._record.since_connected_ms(at_ns))

    def _fire_outcome(self, failure: Exception | None) -> None:
        reader, visit = self._reader, self._visit
        if reader.history_ns is None:
            open_ms = self._record.since_connected_ms(self._closed["closed_ns"])
            self._fire("history", open_ms, NoHistory(reader.error or "no history frame came"))
        if failure is None and visit.chunks_due is not None:
            reader.gaps.learn_head(visit.chunks_due)
        if failure is None and reader.gaps.missing() is not None:
            failure = IncompleteAnswer("chunks missing")  # Locust keeps a row for each wording
        self._fire("complete", None, failure)

    def _write_closed(self) -> None:
        reader = self._reader
        self._record.write_closed(
            reader.error,
            history_ns=reader.history_ns,
            welcome_ns=reader.welcome_ns,
            heartbeats=reader.heartbeats,
            fetches=reader.fetches,
        )
