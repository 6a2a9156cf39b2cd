"""The producers' half of the rules: chunk after chunk, a command at a time.

A producer's window has its writes under way and, while there is room, the next one, which may begin
as soon as those before it have. One at a time is a window of one.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from chunk7.delivery.effects import BEGINNING, Append, AwaitReplicas, Poke, Publish
from chunk7.delivery.life import Retry
from chunk7.faults.fault import MAX_ROLL_BACK, WriteView
from chunk7.simulator.explore.naming import MISHANDLED, effect_name, impossible, misplaced
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.simulator.explore.session_writes import SessionWrites
from chunk7.simulator.explore.state import (
    ExploreCell,
    Move,
    OpenWrite,
    State,
    Window,
    put,
    with_window,
)
from chunk7.simulator.explore.stores import WRITES, Stores

_UNDONE = {"store_failover": 1, "store_failover_behind": MAX_ROLL_BACK}
"""The faults that need to know what the store was, and how many commands ago."""


def most_undone(faults: Iterable[str]) -> int:
    """How many commands that changed keys these faults can undo."""
    return max((_UNDONE.get(name, 0) for name in faults), default=0)


class Write(NamedTuple):
    """What a command of a producer leads to: the store and the producer's window after it."""

    writer: int
    number: int
    """Of the chunk."""
    store: int
    window: Window
    step: Step
    changes: bool
    """Keys, that is; a publication changes none."""
    position: int
    waits: bool
    """For replicas, and does nothing else."""

    def on(self, state: State, window: Window) -> State:
        """The store has done it, in this state, and that is what the producer goes on with."""
        before = state.before
        if self.changes and state.faults and (undone := most_undone(state.faults)):
            before = (*before, state.store)[-undone:]
        writers = put(state.writers, self.writer, window)
        replica = state.replica
        replicated = self.changes or (replica and replica.serves_pubsub and not self.waits)
        if replica is not None and replicated:
            command = (self.position, self.number, self.step.effect.endswith(SAME_MS))
            replica = replica._replace(pending=(*replica.pending, command))
        return state._replace(store=self.store, before=before, writers=writers, replica=replica)


class Due(NamedTuple):
    """What a producer may do next: every command, in every way in which the store can execute it,
    and what a fault can see of it."""

    writes: tuple[Write, ...] = ()
    views: tuple[WriteView, ...] = ()


class Production:
    """What the producers of a cell may do. `blind` as for `World`."""

    def __init__(self, cell: ExploreCell, programs: Programs, stores: Stores, blind: bool) -> None:
        self._cell = cell
        self._life = cell.life
        self._programs = programs
        self._stores = stores
        self._blind = blind
        self._script = SessionWrites(cell)
        self._unbegun: set[int] = set()
        self._due: dict[tuple[int, int, Window], Due] = {}

    def begin(self) -> tuple[Window, ...]:
        """Every producer, before its first command."""
        return tuple(map(self._beginning, range(self._life.writers)))

    def moves(self, state: State) -> list[Move]:
        """The producers' next steps, in every way in which the store can execute them."""
        return [
            (write.step, self._turned(write.on(state, write.window)))
            for writer, window in enumerate(state.writers)
            if window and state.started
            for write in self._next(state.store, writer, window).writes
            if not (write.waits and state.replica and state.replica.pending)
        ]

    def replicate(self, state: State) -> Iterator[Move]:
        """A replica does the first of the commands that it has still to do."""
        replica = state.replica
        if replica is None or not replica.pending:
            return
        command, *rest = replica.pending
        chunk = None
        if isinstance(command, tuple):
            position, number, same_ms = command
            effect = self._programs.effect(position)
            store, _ = self._stores.execute(replica.store, position, effect, same_ms)
            chunk = self._script.named(number, effect)
        else:
            store = self._stores.suffered(replica.store, command)
        after = replica._replace(store=store, pending=tuple(rest))
        yield Step("store", "replicate", chunk), state._replace(replica=after)

    def views(self, state: State) -> tuple[WriteView, ...]:
        """What faults can see of the writes that may go on now."""
        writers = enumerate(state.writers if state.started else ())
        each = (self._next(state.store, *of).views for of in writers)
        return tuple(chain.from_iterable(each))

    def position(self, state: State, step: Step) -> int:
        """Where the ordering is that takes this step of a producer."""
        return next(
            write.position
            for writer, window in enumerate(state.writers)
            if self._life.name(writer) == step.actor
            for write in window
            if self._script.named(write.number, self._programs.effect(write.position)) == step.chunk
        )

    # --- what a producer does next ---

    def _next(self, store: int, writer: int, window: Window) -> Due:
        key = (store, writer, window)
        known = self._due.get(key)
        if known is None:
            known = self._due[key] = self._look(store, writer, window)
        return known

    def _look(self, store: int, writer: int, window: Window) -> Due:
        writes: list[Write] = []
        views: list[WriteView] = []
        for place, (number, position) in enumerate(window):
            effect = self._programs.effect(position)
            if type(effect) not in WRITES:
                raise misplaced(self._cell.write.name, effect)
            shares = self._may_share_ms(store, effect)
            ways = (False, True) if shares else (False,)
            writes += (self._write(store, writer, window, place, way) for way in ways)
            if number != self._script.end:  # no fault is about the end
                name, zombie = self._life.name(writer), self._is_zombie(writer)
                views.append(WriteView(writer, name, number, shares, zombie))
            if position in self._unbegun:
                break  # what comes after it in the window begins after it
        return Due(tuple(writes), tuple(views))

    def _may_share_ms(self, store: int, effect: Any) -> bool:
        """Whether an entry may get the millisecond of the one before it."""
        if self._blind or type(effect) is not Append:
            return False
        return self._stores.newest(store) != BEGINNING

    def _write(self, before: int, writer: int, window: Window, place: int, same_ms: bool) -> Write:
        number, position = window[place]
        effect = self._programs.effect(position)
        try:
            store, answer = self._stores.execute(before, position, effect, same_ms)
        except MISHANDLED as error:
            raise impossible(self._cell.write.name, effect, error) from error
        name = effect_name(effect) + SAME_MS * same_ms
        return Write(
            writer,
            number,
            store,
            self._moved(writer, window, place, self._programs.after(position, answer)),
            Step(self._life.name(writer), name, self._script.named(number, effect)),
            type(effect) not in (Publish, Poke, AwaitReplicas),
            position,
            type(effect) is AwaitReplicas,
        )

    # --- windows ---

    def _beginning(self, writer: int) -> Window:
        return self._filled(writer, (), writer + 1 - self._life.writers)

    def _moved(self, writer: int, window: Window, place: int, position: int) -> Window:
        """The window after one of its writes has come to the position."""
        before, (number, _), after = window[:place], window[place], window[place + 1 :]
        if position != ENDED:
            return (*before, OpenWrite(number, position), *after)
        rest = (*before, *after)
        full = len(window) == self._life.overlap  # if not, there was nothing more to begin
        return self._filled(writer, rest, window[-1].number) if full else rest

    def _filled(self, writer: int, window: Window, latest: int) -> Window:
        """The window with as many of the chunks that come after the latest as it has room for."""
        for number in self._script.lane(writer):
            if number > latest and len(window) < self._life.overlap:
                position = self._start(number)
                if position != ENDED:
                    window = (*window, OpenWrite(number, position))
        return window

    def _start(self, number: int, again: bool = False) -> int:
        """The first position of a chunk's write; ENDED if the ordering does not write it.

        `again`: the producer has begun it before, so others need not wait for that.
        """
        start = self._script.start(number)
        position = self._programs.root(("write", number, again), self._cell.write.name, start)
        if not again:
            self._unbegun.add(position)
        return position

    def _turned(self, state: State) -> State:
        """A replica is behind by one chunk at most."""
        if state.stale is None or self.writing(state) <= state.stale.writing + 1:
            return state
        return state._replace(stale=None)

    def writing(self, state: State) -> int:
        """The lowest chunk under way; the number after the last when there is none."""
        lowest = state.writing
        return self._cell.chunks + 1 if lowest is None else lowest

    # --- faults ---

    def lose_reply(
        self, state: State, writer: int, number: int, executed: bool, same_ms: bool
    ) -> State:
        """The producer hears no reply to its command for the chunk, whatever has become of it."""
        window = state.writers[writer]
        if executed:
            due = self._next(state.store, writer, window).writes
            state = [write for write in due if write.number == number][same_ms].on(state, window)
        place = next(p for p, write in enumerate(window) if write.number == number)
        retry, position = self._life.retry, window[place].position
        if retry is None:
            if not self._is_zombie(writer):  # what a zombie drops, its successor writes
                state = state._replace(undetermined=state.undetermined | 1 << number)
            after = self._moved(writer, window, place, ENDED)
            return self._turned(with_window(state, writer, after))
        if position in self._unbegun and not executed:
            return state  # nothing was done, and it is what is done next
        if retry is Retry.NEW or position in self._unbegun:
            position = self._start(number, again=True)
        return with_window(state, writer, self._moved(writer, window, place, position))

    def die(self, state: State, writer: int) -> State:
        """The producer ends here: nobody says what it wrote last, and nobody writes the rest."""
        first = state.writers[writer][0].number
        rest = sum(1 << number for number in self._script.lane(writer) if number >= first)
        state = state._replace(undetermined=state.undetermined | rest)
        return self._turned(with_window(state, writer, ()))

    def start_over(self, state: State, writer: int, zombie: bool) -> State:
        """Another producer begins with the first chunk; it will know what it has written."""
        old = state.writers[writer]
        undetermined = state.undetermined & ~sum(
            1 << number for number in self._script.lane(writer)
        )
        state = with_window(state, writer, self._beginning(writer))
        outlived = (old,) if zombie else ()
        return state._replace(undetermined=undetermined, writers=(*state.writers, *outlived))

    def _is_zombie(self, writer: int) -> bool:
        return writer >= self._life.writers
