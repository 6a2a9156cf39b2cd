"""How often an ordinary join loses a chunk: nothing held, no proxy in between."""

import asyncio
import random
from collections.abc import Callable, Sequence

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.forcing import Bench
from chunk7.instruments.steer.judging import JudgedVisit, judge
from chunk7.instruments.steer.outcome import Natural
from chunk7.instruments.steer.returning import gone, joined
from chunk7.instruments.steer.visitors import ANSWERED_WITHIN_S
from chunk7.loadtest.targets.errors import TargetError
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import TargetVisit

AT_ONCE = 5
INTERVAL_S = 0.02
"""Between two chunks of our producer: fifty a second, as language models do."""
LATEST_CHUNK = 20
"""Joins fall at random before this chunk."""
AFTER = 10
"""Chunks after the join that are waited for."""


async def natural_rate(bench: Bench, joins: int, new_session: Callable[[], str]) -> Natural:
    """So many joins at random moments of answers that flow at their own pace.

    Joins that did not work are left out. Raises Chunk7Error if none worked.
    """
    chance = random.Random(0)
    free = asyncio.Semaphore(AT_ONCE)

    async def one(at: float) -> bool | None:
        async with free:
            return await _join(bench, new_session(), at)

    lossy = await asyncio.gather(*(one(chance.random()) for _ in range(joins)))
    worked = [each for each in lossy if each is not None]
    if not worked:
        raise Chunk7Error("not one ordinary join received anything")
    return Natural.of(sum(worked), len(worked))


async def _join(bench: Bench, session: str, at: float) -> bool | None:
    """Whether the join lost something; None if nobody can say."""
    answers = bench.open_answers(session)
    returning = bench.returning
    latest = LATEST_CHUNK + (0 if returning is None else round(returning.away_s / INTERVAL_S))
    visit: TargetVisit | None = None
    writing: asyncio.Task[None] | None = None
    had: tuple[Sighting, ...] = ()

    def look(seen: Sequence[Sighting]) -> JudgedVisit:
        return judge(answers.expected((*had, *seen)), (*had, *seen))

    def served(seen: Sequence[Sighting]) -> bool:
        """Whether a chunk came that is later than any join."""
        judged = look(seen)
        return any(n not in judged.missing for n in range(latest + 2, judged.expected))

    try:
        if returning is not None:
            visit = await joined(bench.join(session, 0, None), bench.patience.first_s)
        await answers.begin()
        writing = asyncio.create_task(_write(answers.write, latest + 1 + AFTER))
        await asyncio.sleep((1 + at * LATEST_CHUNK) * INTERVAL_S)
        if returning is not None and visit is not None:
            had = await gone(visit, bool, bench.patience.first_s, returning)
        visit = bench.join(session, 1, None if returning is None else returning.after(had))
        await visit.wait_for(served, 5.0)
        await writing
        await answers.written()
        whole = await visit.wait_for(lambda seen: not look(seen).missing, bench.patience.settle_s)
        return not whole if served(visit.sightings) else None
    except (TargetError, NotJudged, Chunk7Error, TimeoutError, OSError):
        return None
    finally:
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])
        if visit is not None:
            visit.leave()
            await asyncio.wait([visit.finished], timeout=ANSWERED_WITHIN_S)
        await answers.end()


async def _write(write: Callable[[], None], chunks: int) -> None:
    for _ in range(chunks):
        write()
        await asyncio.sleep(INTERVAL_S)
