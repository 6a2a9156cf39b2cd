"""What is written down of one visit's connection, whatever it speaks: its opening and its end."""

from typing import Any, Protocol

from chunk7.loadtest.join_schedule import Visit
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.worker_state import WorkerState
from chunk7.wire.clock import now_ns


class NoHistory(Exception):
    """The connection ended before the history came."""


class Fire(Protocol):
    """Tells Locust that a phase is over: its name, how long it took, how it failed.

    None for what took as long as it was to take, and says nothing of the server.
    """

    def __call__(self, name: str, ms: float | None, exception: Exception | None = None) -> None: ...


class VisitRecord:
    """A connection's row in `opened`, written at once, and the one in `closed`, by `write_closed`.

    `closed` gathers the columns of the latter that are known; `opening_ns` is when it was made. One
    that is not `planned` is opened when somebody else lets it: it cannot be late.
    """

    def __init__(
        self, worker: WorkerState, round_: Round, user: int, visit: Visit, planned: bool = True
    ) -> None:
        self.connection_id = worker.next_connection_id()
        self.opening_ns = now_ns()
        self.leave_ns = round_.instant_ns(visit.leave_ms)
        self.closed: dict[str, Any] = {"connection_id": self.connection_id, "by_server": False}
        self._recorder = worker.recorder
        self._recorder.add(
            "opened",
            connection_id=self.connection_id,
            cell=visit.cell,
            connect=visit.connect,
            write=visit.write,
            session_id=visit.session_id,
            user=user,
            after_seq=0,
            join_earliest_ns=round_.instant_ns(visit.join_earliest_ms),
            join_latest_ns=round_.instant_ns(visit.join_latest_ms),
            intended_ns=round_.instant_ns(visit.join_ms) if planned else self.opening_ns,
            opening_ns=self.opening_ns,
            leave_ns=self.leave_ns,
        )

    def write_closed(self, error: str | None = None, **facts: Any) -> None:
        """The row in `closed`; `error` stands where nothing else is known to have gone wrong."""
        row = {"closed_ns": now_ns(), "error": error} | self.closed
        self._recorder.add("closed", **facts, **row)

    def since_opening_ms(self, at_ns: int) -> float:
        """How long after the opening that was."""
        return (at_ns - self.opening_ns) / 1e6

    def since_connected_ms(self, at_ns: int) -> float:
        """How long after the connection was there."""
        connected_ns: int = self.closed["connected_ns"]
        return (at_ns - connected_ns) / 1e6
