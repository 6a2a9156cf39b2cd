"""The load test's beginning and end, where Locust decides them: on the master or local runner."""

import logging
from dataclasses import dataclass, replace
from typing import Any

import gevent

from chunk7.delivery.errors import Chunk7Error, UsageError
from chunk7.loadtest.delay_api import set_store_latency
from chunk7.loadtest.options import LoadOptions
from chunk7.loadtest.producer_api import cancel, epoch_ns, place
from chunk7.loadtest.rounds import FAILED, ROUND, ROUND_WANTED, to_message
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import Plan, Timetable

LATE_USER_STEP = 1_000_000
"""A worker that comes late gets users from a range of its own."""

MOST_TESTS = 6
"""Load tests that are remembered, to be shown beside each other."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StartedTest:
    """A load test of this Locust, by its number, and its first round; no plan: none has begun."""

    number: int
    first_round: int
    plan: Plan | None = None


class RoundController:
    """Orders timetables from the producer, shares them with the workers, ends the test.

    `exit_code` is what Locust should end with: 0 the test itself worked, losses or not; 1 it could
    not be made; 2 bad input. `rounds_over` counts the rounds that came to their end. `tests` are
    the newest MOST_TESTS, oldest first; `failure` is what ended the last of them.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._options: LoadOptions | None = None
        self._timetable: Timetable | None = None
        self._number = 0
        self._ranks: dict[str, int] = {}
        self._workers = 1
        self._waiting = False
        self._baton: gevent.Greenlet | None = None
        self.exit_code = 0
        self.rounds_over = 0
        self.tests = [StartedTest(1, 1)]
        self.failure = ""
        runner.register_message(ROUND_WANTED, self._answer_worker)
        runner.register_message(FAILED, lambda msg, **_: self.fail(**msg.data))

    def forget(self) -> None:
        """A test is about to start: the failure of the one before is no longer asked for."""
        self.exit_code, self.failure = 0, ""
        last = self.tests[-1]
        if last.plan is None:  # nothing came of it
            self.tests.pop()
        number = last.number + (last.plan is not None)
        self.tests = [*self.tests, StartedTest(number, self._number + 1)][-MOST_TESTS:]

    def start(self, options: LoadOptions) -> None:
        """A test starts; the round has to wait for the users. Raises UsageError."""
        if options.records.exists() and not options.records.is_dir():
            raise UsageError(f"--records: {options.records} is not a folder")
        self._options = options
        self._waiting = True

    def begin(self) -> None:
        """All users are there: order the first round. Later calls in a test change nothing."""
        if self._waiting and self._options is not None:
            self._waiting = False
            self._rank_workers()
            self._baton = gevent.spawn(self._conduct, self._options)

    def stop(self) -> None:
        """The test stops, whoever decided it: the producer need not go on."""
        self._waiting = False
        baton, self._baton = self._baton, None
        if baton is not None and baton is not gevent.getcurrent():
            baton.kill()
        timetable, self._timetable = self._timetable, None
        if self._options is None or timetable is None or _left_s(timetable) <= 0:
            return
        try:
            cancel(self._options.producer)
        except Chunk7Error as error:
            logger.warning("the producer was not stopped: %s", error)

    def fail(self, line: str, exit_code: int) -> None:
        """End the test with one line, in the log and under the web UI's exceptions."""
        if self.exit_code:
            return  # the first failure is the cause
        self.exit_code, self.failure = exit_code, line
        logger.error(line)
        self._runner.log_exception("chunk7", line, line)
        gevent.spawn(self._end)

    def _conduct(self, options: LoadOptions) -> None:
        try:
            if options.store_delay is not None:
                set_store_latency(options.store_delay, options.plan.store_latency_ms)
            while True:  # until stopped; each pass is a round
                self._number += 1
                plan = options.round_plan(self._number, self._runner.target_user_count)
                self._timetable = place(options.producer, plan)
                if self.tests[-1].plan is None:
                    self.tests[-1] = replace(self.tests[-1], plan=plan)
                self._share_with_all()
                gevent.sleep(max(0.0, _left_s(self._timetable)))
                self.rounds_over += 1
                if options.once:
                    self._end()
                    return
        except Chunk7Error as error:
            self.fail(str(error), error.exit_code)

    def _end(self) -> None:
        if self._runner.environment.parsed_options.headless:
            self._runner.quit()
        else:
            self._runner.stop()

    def _share_with_all(self) -> None:
        targets: list[str | None] = [*self._ranks] or [None]
        for client_id in targets:
            self._share(client_id)

    def _share(self, client_id: str | None) -> None:
        """Send the round to one worker; None is this process itself."""
        assert self._timetable is not None, "callers have seen to it"
        rank = 0 if client_id is None else self._ranks[client_id]
        first, step = (rank, self._workers) if rank < self._workers else (rank * LATE_USER_STEP, 1)
        message = to_message(self._number, self._timetable, first, step)
        self._runner.send_message(ROUND, message, client_id)

    def _answer_worker(self, msg: Any, **_: Any) -> None:
        if self._timetable is not None:
            self._ranks.setdefault(msg.node_id, len(self._ranks))
            self._share(msg.node_id)

    def _rank_workers(self) -> None:
        """By their ids, as Locust deals out users; so users are numbered without holes."""
        clients = sorted(getattr(self._runner, "clients", ()))
        self._ranks = {client_id: rank for rank, client_id in enumerate(clients)}
        self._workers = max(1, len(clients))


def _left_s(timetable: Timetable) -> float:
    """Until the last cell has settled."""
    return (epoch_ns(timetable) - now_ns()) / 1e9 + timetable.plan.end_ms / 1e3
