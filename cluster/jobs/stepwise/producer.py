"""The producers of a schedule on a real store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chunk7.cluster.jobs.stepwise.keys import SessionKeys
from chunk7.cluster.jobs.stepwise.turns import expect, misplaced, unpaused
from chunk7.delivery.chunk import Chunk, notice
from chunk7.delivery.effects import (
    Append,
    AwaitReplicas,
    Begin,
    Clear,
    Cursor,
    NextSeq,
    NumberSaveAndPublish,
    Poke,
    Publish,
    Save,
    SaveAndPublish,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.life import ProducerLife, Retry
from chunk7.delivery.ordering import WriteOrdering
from chunk7.delivery.stepping import Steps
from chunk7.delivery.store import MemoryStore
from chunk7.faults.fault import MAX_ROLL_BACK, LoseReply, StartOver, WriteView
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.wire.store.store import Store


class EntryIds:
    """Ids for stream entries: the store's clock cannot be stopped, but it takes ids.

    They are those of the model, which what the store has forgotten changes.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._model = MemoryStore()
        self._before = [self._model.snapshot()]

    def next(self, chunk: Chunk, same_ms: bool) -> Cursor:
        """The id of the entry that is appended now."""
        return self._model.append(chunk, same_ms=same_ms)

    def changing(self) -> None:
        """Before a command that changes keys."""
        self._before = [*self._before, self._model.snapshot()][-MAX_ROLL_BACK:]

    def roll_back(self, commands: int, clock_behind: bool) -> None:
        """As before the last such commands."""
        self._before = self._before[: max(len(self._before) - commands, 0) + 1]
        earlier = MemoryStore.restored(self._before[-1])
        self._model.roll_back(earlier, clock_behind=clock_behind)

    def forget(self) -> None:
        """The stream is gone."""
        self._model.expire(self._session_id)


@dataclass(slots=True)
class SteppedWrite:
    """A chunk under way, by its number, and how far its write is."""

    number: int
    steps: Steps
    begun: bool = False


class SteppedProducers:
    """Each has a window of writes, as the model's have (`simulator/explore/production.py`).

    `receivers` is what PUBLISH answered, by chunk number.
    """

    def __init__(
        self,
        ordering: WriteOrdering,
        life: ProducerLife,
        chunks: Sequence[Chunk],
        store: Store,
        keys: SessionKeys,
    ) -> None:
        self.receivers: dict[int, int] = {}
        self.ids = EntryIds(chunks[0].session_id)
        self._ordering = ordering
        self._life = life
        self._chunks = chunks
        self._store = store
        self._session_id = chunks[0].session_id
        self._keys = keys
        self._windows: list[list[SteppedWrite]] = [[] for _ in range(life.writers)]
        for writer in range(life.writers):
            self._fill(writer, 0)

    @property
    def writing(self) -> int:
        """The lowest chunk under way or to come; the number after the last at the end."""
        lowest = [window[0].number for window in self._windows if window]
        return min(lowest, default=len(self._chunks) + 1)

    def views(self) -> Iterator[WriteView]:
        """What a fault can see of the writes that may go on now."""
        for writer, window in enumerate(self._windows):
            for write in window:
                appends = isinstance(write.steps.effect, Append)
                zombie = writer >= self._life.writers
                yield WriteView(writer, self._life.name(writer), write.number, appends, zombie)
                if not write.begun:
                    break

    async def take(self, step: Step) -> Any:
        """Do a producer's next step; what the store answered."""
        writer, write = self._find(step)
        name = step.effect.removesuffix(SAME_MS)
        expect(step._replace(effect=name), write.steps.effect)
        answer = await self._write(write, same_ms=name != step.effect)
        write.begun = True
        write.steps.advance(answer)
        if unpaused(write.steps).effect is None:
            self._end(writer, write)
        return answer

    async def lose_reply(self, lost: LoseReply) -> None:
        """The producer hears nothing of its command, executed or not."""
        window = self._windows[lost.writer]
        write = next(write for write in window if write.number == lost.chunk)
        if lost.executed:
            await self._write(write, lost.same_ms)
        write.begun = write.begun or lost.executed
        if self._life.retry is Retry.NEW:
            write.steps = self._start(write.number)
        elif self._life.retry is None:
            self._end(lost.writer, write)

    def die(self, writer: int) -> None:
        """The producer ends here."""
        self._windows[writer] = []

    def start_over(self, outlived: StartOver) -> None:
        """Another one begins with the first chunk; a zombie still does what it has under way."""
        if outlived.zombie:
            self._windows.append(self._windows[outlived.writer])
        self._windows[outlived.writer] = []
        self._fill(outlived.writer, 0)

    # --- windows ---

    def _find(self, step: Step) -> tuple[int, SteppedWrite]:
        for writer, window in enumerate(self._windows):
            for write in window:
                if (self._life.name(writer), write.number) == (step.actor, step.chunk):
                    return writer, write
        raise misplaced(step, "nothing")

    def _end(self, writer: int, write: SteppedWrite) -> None:
        """The write is over, one way or another; the next takes its place."""
        window = self._windows[writer]
        latest, full = window[-1].number, len(window) == self._life.overlap
        window.remove(write)
        if full:  # if not, there was nothing more to begin
            self._fill(writer, latest)

    def _fill(self, writer: int, latest: int) -> None:
        window = self._windows[writer]
        for number in self._life.lane(writer, len(self._chunks)):
            if number > latest and len(window) < self._life.overlap:
                steps = self._start(number)
                if steps.effect is not None:
                    window.append(SteppedWrite(number, steps))

    def _start(self, number: int) -> Steps:
        return unpaused(Steps(self._ordering.steps(self._chunks[number - 1])))

    # --- the store ---

    async def _write(self, write: SteppedWrite, same_ms: bool) -> Any:
        """Have the store execute what is due; `same_ms` as for the model's append."""
        effect = write.steps.effect
        if not isinstance(effect, Publish | Poke | AwaitReplicas):
            await self._keys.changing()
            self.ids.changing()
        match effect:
            case NextSeq():
                return await self._store.next_seq(self._session_id)
            case Poke():
                return await self._store.publish(notice(self._session_id))
            case AwaitReplicas():
                return None  # the one store of a reproduction has none
            case Begin():
                self.ids.forget()
                return await self._store.begin(self._session_id)
            case Clear():
                self.ids.forget()
                return await self._store.clear(self._session_id)
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
        self.receivers[write.number] = receivers
        return receivers
