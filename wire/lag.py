"""How late the event loop runs: the one number that says that a process is saturated.

A task that asks to be woken every `every_s` notes how much later it was. What held it up held up
every frame and every reply of the process as well.
"""

import asyncio
import time


class LagMonitor:
    """The worst lateness of the running event loop since it was last asked for.

    >>> lag = LagMonitor()
    >>> lag.start()
    >>> lag.take_ms()       # once a second, into the health record
    >>> lag.stop()
    """

    def __init__(self, every_s: float = 0.02) -> None:
        self._every_s = every_s
        self._worst_s = 0.0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure; needs a running event loop. A second start changes nothing."""
        if self._timer is None:
            self._wait()

    def stop(self) -> None:
        """Measure no more; what was measured can still be taken."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take_ms(self) -> float:
        """The worst lateness since the last call, in ms, the one still going on included."""
        if self._timer is not None:
            self._worst_s = max(self._worst_s, time.monotonic() - self._due_s)
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s * 1_000

    def _wait(self) -> None:
        self._due_s = time.monotonic() + self._every_s
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._wake)

    def _wake(self) -> None:
        self._worst_s = max(self._worst_s, time.monotonic() - self._due_s)
        self._wait()
