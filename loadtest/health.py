"""How late the hub runs: what holds up one greenlet holds up every receipt of the process."""

import time

import gevent


class HubLag:
    """The worst lateness of the running hub since it was last asked for.

    A greenlet that asks to be woken every `every_s` notes how much later it was; `wire.lag` is
    the same for asyncio.
    """

    def __init__(self, every_s: float = 0.02) -> None:
        self._every_s = every_s
        self._worst_s = 0.0
        self._due_s = time.monotonic() + every_s
        self._ticker = gevent.spawn(self._tick)

    def stop(self) -> None:
        """Measure no more."""
        self._ticker.kill()

    def take_ms(self) -> float:
        """The worst lateness since the last call, in ms, the one still going on included."""
        self._note()
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s * 1_000

    def _note(self) -> None:
        self._worst_s = max(self._worst_s, time.monotonic() - self._due_s)

    def _tick(self) -> None:
        while True:  # until killed
            self._due_s = time.monotonic() + self._every_s
            gevent.sleep(self._every_s)
            self._note()
