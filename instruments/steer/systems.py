"""Who makes the answers of a try: our producer, a chunk at a time, or the target when asked.

Either gives a session in which chunks come one after the other, and what they are.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from chunk7.instruments.recordings.judging import NotJudged
from chunk7.instruments.steer.judging import ExpectedPiece
from chunk7.loadtest.targets.adapter import Adapter
from chunk7.loadtest.targets.client import TargetJoin
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import TargetVisit, ask, start_request
from chunk7.producer.stepping import ChunkProducer

BASE = 2
"""Chunks before the first that the schedule is about."""
ASKED_WITHIN_S = 10.0
WRITTEN_WITHIN_S = 5.0
LAST_ASKED = 2_000
"""Chunks of an asked answer that are looked at, from its first."""


class Answers(Protocol):
    """The chunks of one session. `session`: its name, which a target may give when it is asked."""

    session: str

    async def begin(self) -> None:
        """Start; returns when chunks can come."""

    def write(self) -> None:
        """Let the next chunk be written, if that is ours to say."""

    async def written(self) -> None:
        """Wait until all that `write` began has ended."""

    def expected(self, seen: Sequence[Sighting]) -> list[ExpectedPiece]:
        """What a client must have by now, from the first chunk on."""

    async def end(self) -> None:
        """Stop, whatever is under way."""


class Produced:
    """chunk7's own producer, stepped, in the layout of the adapter."""

    def __init__(self, open_producer: Callable[[str], ChunkProducer], session: str) -> None:
        self.session = session
        self._producer = open_producer(session)
        self._chunks: list[ExpectedPiece] = []
        self._writing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        await self._producer.__aenter__()

    def write(self) -> None:
        self._writing = asyncio.create_task(self._write_after(self._writing))

    async def _write_after(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
        number = len(self._chunks) + 1
        chunk = await self._producer.write(f"chunk {number}. ")
        piece = ExpectedPiece(
            text=chunk.text, index=chunk.index, seq=chunk.seq, message_id=chunk.message_id
        )
        self._chunks.append(piece)

    async def written(self) -> None:
        if self._writing is not None:
            await asyncio.wait_for(asyncio.shield(self._writing), WRITTEN_WITHIN_S)

    def expected(self, seen: Sequence[Sighting]) -> list[ExpectedPiece]:
        return list(self._chunks)

    async def end(self) -> None:
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._producer.__aexit__(None, None, None)


class Asked:
    """The target's own answer. What it should have said is what whoever asked was told
    (`reference: request`), or, where frames are numbered, all from the first to the last number.
    """

    def __init__(self, adapter: Adapter, place: TargetJoin) -> None:
        self._adapter = adapter
        self._place = place
        self._request: TargetVisit | None = None
        self.session = place.session_id

    async def begin(self) -> None:
        asking = self._adapter.ask
        assert asking is not None, "only an adapter with ask is asked"
        if asking.reference == "request":
            self._request = start_request(self._adapter, self._place, ASKED_WITHIN_S)
            await asyncio.wait_for(asyncio.shield(self._request.opened), ASKED_WITHIN_S)
        else:
            self.session = await ask(self._adapter, self._place, ASKED_WITHIN_S)

    def write(self) -> None:
        """It goes on by itself."""

    async def written(self) -> None:
        """Nothing of ours is under way."""

    def expected(self, seen: Sequence[Sighting]) -> list[ExpectedPiece]:
        if self._request is not None:
            return [_piece(one) for one in self._request.sightings[:LAST_ASKED]]
        if seen and all(one.index is None and one.seq is None for one in seen):
            raise NotJudged(
                "frames have neither index nor seq: what is missing in an answer that the target "
                "makes shows only with ask.reference: request"
            )
        newest = max((one.index for one in seen if one.index is not None), default=None)
        if newest is not None:
            return [ExpectedPiece(None, index=n) for n in range(min(newest + 1, LAST_ASKED))]
        newest = max((one.seq for one in seen if one.seq is not None), default=0)
        return [ExpectedPiece(None, seq=n) for n in range(1, min(newest, LAST_ASKED) + 1)]

    async def end(self) -> None:
        if self._request is not None:
            self._request.leave()


def _piece(seen: Sighting) -> ExpectedPiece:
    return ExpectedPiece(seen.text or "", seen.index, seen.seq, seen.message_id)
