"""Where the chunks of a try come from, and what a client is owed of them."""

import asyncio
from typing import Any, cast

import pytest

from chunk7.delivery.chunk import Chunk
from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.systems import Asked, Produced
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import TargetJoin
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.producer.stepping import ChunkProducer


class Scripted:
    """A producer whose every write waits for its turn."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.turn = asyncio.Semaphore(0)
        self.closed = False

    async def __aenter__(self) -> "Scripted":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def write(self, text: str) -> Chunk:
        self.began.append(text)
        await self.turn.acquire()
        return Chunk("a", "m", len(self.began) - 1, text, seq=len(self.began))


def produced(producer: Scripted) -> Produced:
    return Produced(lambda _: cast(ChunkProducer, producer), "a")


async def test_one_chunk_is_written_after_the_other() -> None:
    producer = Scripted()
    answers = produced(producer)
    await answers.begin()
    answers.write()
    answers.write()
    producer.turn.release()
    producer.turn.release()
    await answers.written()
    owed = answers.expected([])
    assert [(one.text, one.index, one.seq) for one in owed] == [
        ("chunk 1. ", 0, 1),
        ("chunk 2. ", 1, 2),
    ]
    await answers.end()
    assert producer.closed


async def test_a_chunk_that_is_not_yet_written_is_not_owed_and_ends_with_the_try() -> None:
    producer = Scripted()
    answers = produced(producer)
    await answers.begin()
    answers.write()
    answers.write()
    await asyncio.sleep(0)
    assert answers.expected([]) == []
    await asyncio.wait_for(answers.end(), 5)
    assert producer.closed
    assert producer.began in ([], ["chunk 1. "])


@pytest.mark.parametrize(
    ("seen", "owed"),
    [
        ([Sighting(index=2), Sighting(index=1)], [(0, None), (1, None), (2, None)]),
        ([Sighting(seq=3)], [(None, 1), (None, 2), (None, 3)]),
        ([], []),
    ],
)
def test_of_an_asked_answer_all_up_to_the_newest_number_is_owed(
    seen: list[Sighting], owed: list[tuple[Any, Any]]
) -> None:
    answers = Asked(cast(Adapter, None), TargetJoin("a", 1, 1))
    assert [(one.index, one.seq) for one in answers.expected(seen)] == owed


def test_an_asked_answer_without_any_number_cannot_be_told_from_a_whole_one() -> None:
    """Nothing was expected then, and every try said that no chunk had come."""
    answers = Asked(cast(Adapter, None), TargetJoin("a", 1, 1))
    with pytest.raises(NotJudged, match="neither index nor seq"):
        answers.expected([Sighting(text="word")])
