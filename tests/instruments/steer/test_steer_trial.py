"""Which commands of a try wait, and which go by."""

import asyncio
from typing import Any

from chunk7.instruments.steer.plan import SteerEvent, SteerStep
from chunk7.instruments.steer.rules import Match, Role
from chunk7.instruments.steer.trial import Trial

SAVE_1 = SteerStep("producer", SteerEvent.SAVE, 1)
READ = SteerStep("join1", SteerEvent.READ)


class Passing:
    """A command at the proxy, that a gate may let go."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.hold_reply = False
        self.forwarded = False

    def forward(self) -> None:
        self.forwarded = True

    def pass_reply(self) -> None:
        """Nothing was withheld."""


def take(trial: Trial, role: Role) -> tuple[Any, bool]:
    """A command of the try's session, and whether it waits."""
    passage: Any = Passing()
    return passage, trial.take(passage, [Match(role, "s")])


async def test_chunks_behind_the_schedules_wait_until_it_is_over() -> None:
    """Django's answer went on by itself: its next chunk fell into the same window, and was lost
    beside the one under test in half of the tries."""
    trial = Trial("s", [SAVE_1, READ], base=1)
    assert [take(trial, Role.SAVE)[1] for _ in range(2)] == [False, True]
    later, waits = take(trial, Role.SAVE)
    assert waits
    trial.release()
    assert later.forwarded
    assert not take(trial, Role.SAVE)[1]


async def test_they_go_sooner_if_somebody_needs_their_connection() -> None:
    trial = Trial("s", [SAVE_1, READ], base=0)
    first, _ = take(trial, Role.SAVE)
    later, _ = take(trial, Role.SAVE)
    assert trial.release_later()
    assert (first.forwarded, later.forwarded) == (False, True)
    assert not trial.release_later()
    assert not take(trial, Role.SAVE)[1]


async def test_a_try_that_holds_no_write_holds_none_behind_it() -> None:
    trial = Trial("s", [READ], base=0)
    assert not any(take(trial, Role.SAVE)[1] for _ in range(3))
