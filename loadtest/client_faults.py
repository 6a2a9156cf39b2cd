"""The faults that users carry out themselves, on the plan's schedule: whom they hit, and when.

Every process works out the same from the plan, and notes in its own records when the first of its
users was hit, and when the last was through with it.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from chunk7.faults.fault import StrikesOthers
from chunk7.faults.live import Conducted
from chunk7.faults.schedule import PlannedStrike, strikes
from chunk7.loadtest.rounds import Round
from chunk7.wire.clock import now_ns
from chunk7.wire.plan import NOBODY
from chunk7.wire.recorder import Recorder


class UserStrike:
    """One strike of the plan, in this process. `at_ns` and `for_ns` are when, and for how long.

    `leaves`: it ends the visit; `breaks_off`: it ends the connection. Otherwise the user stops
    reading meanwhile. Connections that may live to see it are counted, so that it is known who was
    the last.
    """

    def __init__(self, planned: PlannedStrike, round_: Round, recorder: Recorder) -> None:
        self.name = planned.name
        self.cell = planned.cell
        self.at_ns = round_.instant_ns(planned.at_ms)
        self.for_ns = round(planned.for_ms * 1e6)
        self.leaves = isinstance(planned.fault, StrikesOthers)
        self.breaks_off = planned.fault.terms.lasts_ms is None and not self.leaves
        self._share = float(planned.values.get("share", 1.0))
        self._seed = f"{round_.timetable.plan.seed} {planned.name} {planned.draw}"
        self._recorder = recorder
        self._awaiting = 0
        self._struck = False

    def hits(self, user: int) -> bool:
        """Whether it is one of the share, in whatever process."""
        return random.Random(f"{self._seed} {user}").random() < self._share

    def await_(self) -> None:
        """A connection that it will hit has begun; `strike` or `spare` ends its waiting."""
        self._awaiting += 1

    @contextmanager
    def strike(self) -> Iterator[None]:
        """Around what one user does of it."""
        if not self._struck:
            self._struck = True
            self._note("fault_began")
        try:
            yield
        finally:
            self.spare()

    def spare(self) -> None:
        """A connection waits for it no longer: it ended before, or has been through with it."""
        self._awaiting -= 1
        if self._struck and not self._awaiting:
            self._note("fault_ended")

    def pass_(self) -> None:
        """Its round is over: if it was due and hit no user of this process, that is on record."""
        if not self._struck and self.at_ns <= now_ns():
            self._note("fault_began", self.at_ns, NOBODY)
            self._note("fault_ended", self.at_ns, NOBODY)

    def _note(self, kind: str, at_ns: int | None = None, target: str = "clients") -> None:
        when = now_ns() if at_ns is None else at_ns
        self._recorder.add("events", at_ns=when, kind=kind, detail=f"{self.name} {target}")


class ClientFaults:
    """Those of one round."""

    def __init__(self, round_: Round, recorder: Recorder) -> None:
        planned = strikes(round_.timetable.plan)
        self._first_ns = min((round_.instant_ns(one.at_ms) for one in planned), default=None)
        self._strikes = [
            UserStrike(one, round_, recorder)
            for one in planned
            if not isinstance(one.fault, Conducted)
        ]

    def await_(self, user: int, cell: int) -> list[UserStrike]:
        """A connection begins: those that will hit it, in the order of time, if it lives."""
        now = now_ns()
        coming = [
            one for one in self._strikes if one.cell == cell and one.at_ns > now and one.hits(user)
        ]
        for one in coming:
            one.await_()
        return coming

    def end(self) -> None:
        """The round is over."""
        for strike in self._strikes:
            strike.pass_()

    def may_be_under_way(self) -> bool:
        """Whether any fault of the plan, of whatever kind, has struck or should have by now.

        Until then that nobody answers is no fault of the plan's.
        """
        return self._first_ns is not None and now_ns() >= self._first_ns
