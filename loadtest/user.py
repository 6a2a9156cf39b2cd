"""The user: keeps its join schedule, one connection a visit."""

from collections import deque

import gevent
from locust import User, task

from chunk7.loadtest.join_schedule import Visit
from chunk7.loadtest.rounds import Round
from chunk7.loadtest.targets.connection import Connection
from chunk7.loadtest.targets.foreign import ForeignVisit
from chunk7.loadtest.worker_state import WorkerState, worker_of
from chunk7.wire.clock import now_ns

REQUEST_TYPE = "WS"
ROUND_WAIT_S = 1.0
"""How long a user with nothing to do waits before it lets Locust see whether it should stop."""


class ChatUser(User):
    """Joins sessions in the middle of an answer. One task is one visit."""

    def on_start(self) -> None:
        """Take a number."""
        self._worker: WorkerState = worker_of(self.environment)
        self._ordinal = self._worker.take_ordinal()
        self._round: Round | None = None
        self._visits: deque[Visit] = deque()

    def on_stop(self) -> None:
        """Give it back."""
        self._worker.give_back_ordinal(self._ordinal)

    @task
    def next_visit(self) -> None:
        """Wait for the next visit's moment and make it; or wait for the next round."""
        if not self._visits:
            self._await_round()
            return
        assert self._round is not None, "visits come with their round"
        visit = self._visits.popleft()
        gevent.sleep(max(0.0, (self._round.instant_ns(visit.join_ms) - now_ns()) / 1e9))
        number = self._round.user(self._ordinal)
        kind = Connection if self._worker.options.adapter is None else ForeignVisit
        kind(self._worker, self._round, number, visit, self._fire).run()

    def _await_round(self) -> None:
        """What was due before this user was there is left out: a late join is no random one."""
        after = self._round.number if self._round else 0
        coming = self._worker.wait_for_round(after, ROUND_WAIT_S)
        if coming is not None:
            self._round = coming
            now = now_ns()
            self._visits.extend(
                visit
                for visit in coming.visits(self._ordinal)
                if coming.instant_ns(visit.join_ms) > now
            )

    def _fire(self, name: str, ms: float | None, exception: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type=REQUEST_TYPE,
            name=name,
            response_time=ms,
            response_length=0,
            exception=exception,
            context={},
        )
