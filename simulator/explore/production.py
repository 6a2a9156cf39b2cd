"""The producer's half of the rules: chunk after chunk, a command at a time."""

from functools import partial
from typing import Any, NamedTuple

from chunk7.delivery.effects import BEGINNING, Append, Publish
from chunk7.simulator.explore.naming import MISHANDLED, effect_name, impossible, misplaced
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.simulator.explore.state import ExploreCell, Move, State, session_chunks
from chunk7.simulator.explore.stores import WRITES, Stores

FAILOVER = "store_failover"
"""The fault that needs to know what the store was."""


class Write(NamedTuple):
    """What a command of the producer leads to: store, chunk number and position after it."""

    store: int
    writing: int
    producer: int
    step: Step
    changes: bool
    """Keys, that is; a publication changes none."""

    def on(self, state: State) -> State:
        """The store has done it, in this state."""
        before = state.store if self.changes and FAILOVER in state.faults else state.before
        return state._replace(store=self.store, before=before)


class Production:
    """What the producer of a cell may do. `blind` as for `World`."""

    def __init__(self, cell: ExploreCell, programs: Programs, stores: Stores, blind: bool) -> None:
        self._cell = cell
        self._programs = programs
        self._stores = stores
        self._blind = blind
        self._session = session_chunks(cell.chunks)
        self._written: dict[tuple[int, int], tuple[Write, ...]] = {}

    def writes(self, state: State) -> tuple[Write, ...]:
        """The producer's next command: every way in which the store can execute it."""
        key = (state.store, state.producer)
        known = self._written.get(key)
        if known is None:
            effect = self._programs.effect(state.producer)
            if type(effect) not in WRITES:
                raise misplaced(self._cell.write.name, effect)
            ways = (False, True) if self._may_share_ms(state.store, effect) else (False,)
            known = self._written[key] = tuple(self._write(state, effect, way) for way in ways)
        return known

    def _may_share_ms(self, store: int, effect: Any) -> bool:
        """Whether an entry may get the millisecond of the one before it."""
        if self._blind or type(effect) is not Append:
            return False
        return self._stores.newest(store) != BEGINNING

    def _write(self, state: State, effect: Any, same_ms: bool) -> Write:
        try:
            store, answer = self._stores.execute(state.store, state.producer, effect, same_ms)
        except MISHANDLED as error:
            raise impossible(self._cell.write.name, effect, error) from error
        number, position = state.writing, self._programs.after(state.producer, answer)
        if position == ENDED:
            number, position = self.next_chunk(number + 1)
        name = effect_name(effect) + SAME_MS * same_ms
        step = Step("producer", name, state.writing)
        return Write(store, number, position, step, type(effect) is not Publish)

    def give_up(self, state: State) -> State:
        """The producer drops the chunk that it is writing and turns to the next."""
        number, position = self.next_chunk(state.writing + 1)
        lost = state.undetermined | 1 << state.writing
        return self._turned(state, number)._replace(
            writing=number, producer=position, undetermined=lost
        )

    def moves(self, state: State) -> list[Move]:
        """The producer's next step, in every way in which the store can execute it."""
        return [
            (
                write.step,
                self._turned(write.on(state), write.writing)._replace(
                    writing=write.writing, producer=write.producer
                ),
            )
            for write in self.writes(state)
        ]

    def _turned(self, state: State, number: int) -> State:
        """The producer turns to this chunk: a replica is behind by one at most."""
        if state.stale is None or number <= state.stale.writing + 1:
            return state
        return state._replace(stale=None)

    def next_chunk(self, number: int) -> tuple[int, int]:
        """The first chunk from this number on that the ordering writes; (number, position)."""
        for chunk_number in range(number, self._cell.chunks + 1):
            chunk = self._session[chunk_number - 1]
            start = partial(self._cell.write.steps, chunk)
            position = self._programs.root(("write", chunk_number), self._cell.write.name, start)
            if position != ENDED:
                return chunk_number, position
        return self._cell.chunks + 1, ENDED
