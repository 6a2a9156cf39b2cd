"""A client that was there before the schedule begins, went, and comes back with what it has."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chunk7.delivery.errors import Chunk7Error
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import TargetVisit

JOINED_S = 0.05
"""What the application is given to have the client among its listeners, once it is connected."""
GONE_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Returning:
    """`value`: the field of its newest chunk by which it says what it has; None: it says nothing.
    `away_s`: how long it is away.
    """

    value: str | None
    away_s: float

    def after(self, seen: Sequence[Sighting]) -> str | int | None:
        """What it says when it comes back."""
        newest = seen[-1] if seen and self.value is not None else Sighting()
        after: str | int | None = getattr(newest, self.value or "id")
        return after


async def joined(visit: TargetVisit, within_s: float) -> TargetVisit:
    """When it gets what is live. Raises TargetError, TimeoutError."""
    await asyncio.wait_for(asyncio.shield(visit.opened), within_s)
    await asyncio.sleep(JOINED_S)
    return visit


async def gone(
    visit: TargetVisit,
    has: Callable[[Sequence[Sighting]], bool],
    within_s: float,
    returning: Returning,
) -> tuple[Sighting, ...]:
    """Have it leave when it has enough, and stay away; what it has then. Raises Chunk7Error."""
    enough = await visit.wait_for(has, within_s)
    visit.leave()
    await asyncio.wait([visit.finished], timeout=GONE_WITHIN_S)
    if not enough:
        raise Chunk7Error("the client that is to come back did not get the chunks before")
    await asyncio.sleep(returning.away_s)
    return tuple(visit.sightings)
