"""The producer of a schedule on a real store."""

from collections.abc import Sequence
from typing import Any

from chunk7.cluster.jobs.stepwise.keys import SessionKeys
from chunk7.cluster.jobs.stepwise.turns import expect, misplaced, unpaused
from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Append,
    Cursor,
    NextSeq,
    NumberSaveAndPublish,
    Publish,
    Save,
    SaveAndPublish,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.stepping import Steps
from chunk7.delivery.store import MemoryStore
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.wire.store.store import Store


class EntryIds:
    """Ids for stream entries: the store's clock cannot be stopped, but it takes ids.

    They are those of the model, which what the store has forgotten changes.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._model = MemoryStore()
        self._before = self._model.snapshot()

    def next(self, chunk: Chunk, same_ms: bool) -> Cursor:
        """The id of the entry that is appended now."""
        return self._model.append(chunk, same_ms=same_ms)

    def changing(self) -> None:
        """Before a command that changes keys."""
        self._before = self._model.snapshot()

    def roll_back(self) -> None:
        """As before the last such command."""
        self._model.roll_back(MemoryStore.restored(self._before))

    def forget(self) -> None:
        """The stream is gone."""
        self._model.expire(self._session_id)


class SteppedProducer:
    """`writing` is the number of the chunk under way, and `steps` how far it is: None at the end.

    `receivers` is what PUBLISH answered, by chunk number.
    """

    def __init__(
        self,
        ordering: WriteOrdering,
        chunks: Sequence[Chunk],
        store: Store,
        keys: SessionKeys,
    ) -> None:
        self.receivers: dict[int, int] = {}
        self.writing = 0
        self.steps: Steps | None = None
        self._ordering = ordering
        self._chunks = chunks
        self._store = store
        self._session_id = chunks[0].session_id
        self._keys = keys
        self.ids = EntryIds(self._session_id)
        self.next_chunk()

    def next_chunk(self) -> None:
        """Turn to the next chunk that the ordering writes."""
        self.steps = None
        while self.steps is None and self.writing < len(self._chunks):
            self.writing += 1
            steps = unpaused(Steps(self._ordering.steps(self._chunks[self.writing - 1])))
            self.steps = steps if steps.effect is not None else None

    async def take(self, step: Step) -> Any:
        """Do the producer's next step; what the store answered."""
        if self.steps is None:
            raise misplaced(step, "nothing")
        name = step.effect.removesuffix(SAME_MS)
        expect(step._replace(effect=name), self.steps.effect)
        answer = await self.write(self.steps.effect, same_ms=name != step.effect)
        self.steps.advance(answer)
        if unpaused(self.steps).effect is None:
            self.next_chunk()
        return answer

    async def write(self, effect: Any, same_ms: bool) -> Any:
        """Have the store execute the effect; `same_ms` as for the model's append."""
        if not isinstance(effect, Publish):
            await self._keys.changing()
            self.ids.changing()
        match effect:
            case NextSeq():
                return await self._store.next_seq(self._session_id)
            case Save(chunk):
                return await self._store.save(chunk)
            case Append(chunk):
                return await self._store.append(chunk, self.ids.next(chunk, same_ms))
            case Publish(chunk):
                receivers = await self._store.publish(chunk)
            case SaveAndPublish(chunk):
                receivers = await self._store.save_and_publish(chunk)
            case NumberSaveAndPublish(chunk):
                receivers = (await self._store.number_save_and_publish(chunk))[1]
            case _:
                raise OrderingError(f"{type(effect).__name__} belongs to the other side")
        self.receivers[self.writing] = receivers
        return receivers
