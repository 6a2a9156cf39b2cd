"""What the clients of a try have in the end."""

from collections.abc import Callable, Sequence
from typing import Any

from chunk7.instruments.steer.judging import ExpectedPiece
from chunk7.instruments.steer.visitors import Visitors
from chunk7.loadtest.targets.frame_reader import Sighting


class Answers:
    """Ten chunks that are there already."""

    def write(self) -> None:
        """They go on by themselves."""

    async def written(self) -> None:
        """Nothing is under way."""

    def expected(self, seen: Sequence[Sighting]) -> list[ExpectedPiece]:
        return [ExpectedPiece(None, index=index) for index in range(10)]


class Visit:
    """A client that is connected and gets one chunk each time somebody waits for it."""

    def __init__(self, first: int) -> None:
        self.sightings: list[Sighting] = []
        self._next = first

    async def wait_for(self, has: Callable[[Sequence[Sighting]], bool], within_s: float) -> bool:
        if has(self.sightings):
            return True
        self.sightings.append(Sighting(index=self._next))
        self._next += 1
        return has(self.sightings)


async def test_who_comes_back_is_served_only_by_what_it_gets_then() -> None:
    """An answer that had gone on before the client went counted as served: a natural join was over
    before its read had come, and nothing of it was recognised."""
    answers: Any = Answers()
    visitors = Visitors(answers, chunks=1, settle_s=0.0)
    visitors.had = tuple(Sighting(index=index) for index in range(8))
    visit: Any = Visit(first=8)
    visitors.visits.append(visit)
    found = await visitors.judged()
    assert visit.sightings
    assert (found.forced, found.lost) == (True, ())
