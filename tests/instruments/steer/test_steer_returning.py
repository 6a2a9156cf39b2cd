"""A client that comes back says what it has, once it has what was written before."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chunk7.delivery.errors import Chunk7Error
from chunk7.instruments.steer.returning import Returning, gone
from chunk7.loadtest.targets.frame_reader import Sighting

SEEN = [Sighting(index=4, id="1-0"), Sighting(index=5, id="2-0")]
AT_ONCE = Returning("id", away_s=0.0)


class Visit:
    """A client that has seen something, and goes when it is told to."""

    def __init__(self, seen: Sequence[Sighting]) -> None:
        self.sightings = list(seen)
        self.finished: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def wait_for(self, has: Callable[[Sequence[Sighting]], bool], within_s: float) -> bool:
        return has(self.sightings)

    def leave(self) -> None:
        self.finished.set_result("left")


@pytest.mark.parametrize(("value", "after"), [("id", "2-0"), ("index", 5), (None, None)])
def test_it_says_its_newest_chunk_in_the_words_of_the_adapter(
    value: str | None, after: str | int | None
) -> None:
    assert Returning(value, 0.0).after(SEEN) == after
    assert Returning(value, 0.0).after([]) is None


async def test_it_goes_with_what_it_has() -> None:
    visit: Any = Visit(SEEN)
    assert await gone(visit, bool, 1.0, AT_ONCE) == tuple(SEEN)
    assert visit.finished.done()


async def test_what_it_never_got_says_nothing_of_its_coming_back() -> None:
    """socket.io recovers only who has had a message: else it would be a first join once more."""
    visit: Any = Visit([])
    with pytest.raises(Chunk7Error, match="did not get the chunks before"):
        await gone(visit, bool, 1.0, AT_ONCE)
    assert visit.finished.done()
