"""What the users of one process share: options, the round, the records, numbers to go by."""

import heapq
from collections import deque
from typing import Any

import gevent
import psutil
from gevent.event import Event

from chunk7.loadtest.client_faults import ClientFaults
from chunk7.loadtest.health import HubLag
from chunk7.loadtest.options import LoadOptions
from chunk7.loadtest.rounds import FAILED, ROUND, ROUND_WANTED, Round, from_message
from chunk7.wire.clock import now_ns
from chunk7.wire.recorder import Recorder, unclaimed

FLUSH_S = 1.0
_MAX_LAGS = 60
_WORKER_SHIFT = 40
"""A connection's number has the worker's index above these bits and a count within them.

The count begins at the milliseconds since the machine's start: a Locust that was started again and
writes into the same folder makes less than one connection a millisecond, so none is used twice.
"""


class WorkerState:
    """One process that has users: Locust's local runner, or a worker.

    `start` and `stop` follow Locust's test_start and test_stop; `close` ends the process's part.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._options: LoadOptions | None = None
        self._recorder: Recorder | None = None
        self._flushing: gevent.Greenlet | None = None
        self._round: Round | None = None
        self._round_came = Event()
        self._faults: tuple[Round, ClientFaults] | None = None
        self._free_ordinals: list[int] = []
        self._ordinals = 0
        self._connections = now_ns() // 1_000_000
        self._lags_s: deque[float] = deque(maxlen=_MAX_LAGS)
        self.open_count = 0
        runner.register_message(ROUND, self._take_round)

    # --- Locust's events ---

    def start(self, options: LoadOptions) -> None:
        """A test starts. On a worker: ask the master for the round, in case it was missed."""
        if self._options is None or self._options.records != options.records:
            self.close()
            process = f"locust-{self._runner.worker_index}" if self._is_worker() else "locust"
            self._recorder = Recorder(options.records, unclaimed(options.records, process))
            self._flushing = gevent.spawn(self._keep_records, self._recorder)
        self._options = options
        if self._is_worker() and self._round is None:
            self._runner.send_message(ROUND_WANTED, {})

    def stop(self) -> None:
        """The test stops: there is no round any more."""
        self._end_round()
        self._round = None
        self._round_came.clear()

    def close(self) -> None:
        """Write everything down and close the records; a second call changes nothing."""
        flushing, self._flushing = self._flushing, None
        recorder, self._recorder = self._recorder, None
        if flushing is not None:
            flushing.kill()
        if recorder is not None:
            recorder.close()

    # --- what users ask for ---

    @property
    def options(self) -> LoadOptions:
        """The running test's options."""
        assert self._options is not None, "users exist between test_start and test_stop only"
        return self._options

    @property
    def recorder(self) -> Recorder:
        """The process's records."""
        assert self._recorder is not None, "users exist between test_start and test_stop only"
        return self._recorder

    def wait_for_round(self, after: int, timeout_s: float) -> Round | None:
        """The current round, if it is later than number `after`; waits at most `timeout_s`."""
        if self._round is None or self._round.number <= after:
            self._round_came.clear()
            self._round_came.wait(timeout_s)
        current = self._round
        return current if current is not None and current.number > after else None

    def client_faults(self, round_: Round) -> ClientFaults:
        """What the round's plan has users do to themselves; one for all users of the process."""
        if self._faults is None or self._faults[0] is not round_:
            self._faults = round_, ClientFaults(round_, self.recorder)
        return self._faults[1]

    def take_ordinal(self) -> int:
        """The lowest number that no user of this process has."""
        if self._free_ordinals:
            return heapq.heappop(self._free_ordinals)
        self._ordinals += 1
        return self._ordinals - 1

    def give_back_ordinal(self, ordinal: int) -> None:
        """The user that had it has stopped."""
        heapq.heappush(self._free_ordinals, ordinal)

    def take_lags_s(self) -> list[float]:
        """How late the hub ran in each second since the last call; the newest minute at most."""
        lags_s = list(self._lags_s)
        self._lags_s.clear()
        return lags_s

    def next_connection_id(self) -> int:
        """A number that no other connection of this load test has, below 2**63."""
        self._connections += 1
        worker: int = self._runner.worker_index
        return (worker << _WORKER_SHIFT) + self._connections

    def fail(self, line: str, exit_code: int) -> None:
        """End the whole test with one line."""
        self._runner.send_message(FAILED, {"line": line, "exit_code": exit_code})

    # --- within ---

    def _is_worker(self) -> bool:
        return bool(self._runner.environment.parsed_options.worker)

    def _take_round(self, msg: Any, **_: Any) -> None:
        coming = from_message(msg.data)
        if self._round is None or coming.number > self._round.number:
            self._end_round()
            self._round = coming
            self._round_came.set()

    def _end_round(self) -> None:
        if self._round is not None and self._recorder is not None:
            self.client_faults(self._round).end()

    def _keep_records(self, recorder: Recorder) -> None:
        """Once a second: a row of health, and everything to the system."""
        lag = HubLag()
        process = psutil.Process()
        try:
            while True:  # until killed
                gevent.sleep(FLUSH_S)
                rss_bytes = process.memory_info().rss
                lag_ms = lag.take_ms()
                self._lags_s.append(lag_ms / 1_000)
                row = (now_ns(), lag_ms, rss_bytes, self.open_count)
                recorder.add_row("health", row)
                recorder.flush()
        except OSError as error:
            self.fail(f"--records: cannot write: {error}", 1)
        finally:
            lag.stop()


def worker_of(environment: Any) -> WorkerState:
    """The worker of this process, which `chunk7.loadtest.run` has put into Locust's environment."""
    worker = environment.chunk7_worker
    assert isinstance(worker, WorkerState)
    return worker
