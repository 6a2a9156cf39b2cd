"""What the master tells every process that has users: a timetable, and which users are theirs."""

from dataclasses import dataclass
from typing import Any

import msgspec

from chunk7.loadtest.join_schedule import Visit, join_schedule
from chunk7.loadtest.producer_api import epoch_ns
from chunk7.wire.plan import Timetable

ROUND = "chunk7_round"
"""Master to worker: a round begins; data as `to_message` makes it."""
ROUND_WANTED = "chunk7_round_wanted"
"""Worker to master: I have users and no round."""
FAILED = "chunk7_failed"
"""Worker to master: end the test; data {"line": str, "exit_code": int}."""


@dataclass(frozen=True, slots=True)
class Round:
    """One timetable, from its first cell to its last. `number` counts within the load test.

    The process's users are numbered first_user, first_user + user_step, ...: with W workers
    worker k has k, k + W, ..., so that all together are 0, 1, ..., whatever W is.
    """

    number: int
    timetable: Timetable
    epoch_ns: int
    """On this host's CLOCK_MONOTONIC."""
    first_user: int = 0
    user_step: int = 1

    def user(self, ordinal: int) -> int:
        """The number of the process's `ordinal`-th user."""
        return self.first_user + ordinal * self.user_step

    def visits(self, ordinal: int) -> list[Visit]:
        """That user's visits."""
        return join_schedule(self.timetable, self.user(ordinal))

    def instant_ns(self, after_epoch_ms: float) -> int:
        """A timetable's instant on this host's CLOCK_MONOTONIC."""
        return self.epoch_ns + round(after_epoch_ms * 1e6)


def to_message(
    number: int, timetable: Timetable, first_user: int, user_step: int
) -> dict[str, Any]:
    """A round as Locust's message data."""
    return {
        "number": number,
        "timetable": msgspec.json.encode(timetable).decode(),
        "first_user": first_user,
        "user_step": user_step,
    }


def from_message(data: dict[str, Any]) -> Round:
    """The round in a message; `epoch_ns` is worked out for this host."""
    timetable = msgspec.json.decode(data["timetable"], type=Timetable)
    return Round(
        number=data["number"],
        timetable=timetable,
        epoch_ns=epoch_ns(timetable),
        first_user=data["first_user"],
        user_step=data["user_step"],
    )
