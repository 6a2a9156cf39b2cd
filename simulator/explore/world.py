"""The rules: which events can happen in a state, and what each makes of it.

Every ordering is executed as it is, against `MemoryStore`; what the rules add is the world
around it: a store that executes SUBSCRIBE some time after it was sent, Pub/Sub that arrives
later and in order, several clients on one node's one subscription, a client that asks for what
it misses, heartbeats, faults. Nothing has a time: an event that can happen may happen now, or
after any other.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.errors import UsageError
from chunk7.delivery.replica import Replica
from chunk7.faults import STRIKES
from chunk7.faults.fault import ClientView
from chunk7.simulator.explore.arrivals import Arrival, Connections, received
from chunk7.simulator.explore.channels import NOBODY, Channels, join
from chunk7.simulator.explore.coverage import named_effects, subscriptions_end
from chunk7.simulator.explore.naming import join_name
from chunk7.simulator.explore.production import Production
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.schedule import PRODUCERS, SAME_MS, Step
from chunk7.simulator.explore.service import Service
from chunk7.simulator.explore.state import (
    ExploreCell,
    Joiner,
    Move,
    Replicated,
    ScheduleOutcome,
    State,
    all_of,
    read_from,
    session_chunks,
)
from chunk7.simulator.explore.stores import READS, WRITES, Stores
from chunk7.simulator.explore.strokes import Blow, Strokes


class World:
    """One cell's rules, and the memory that makes them fast.

    A client takes a frame as soon as it is written, because what it does then depends on the
    frames and their order only, and the answer to what it asks takes as long as it likes
    anyway. `wires` makes the client's receiving an event of its own instead; a test holds that
    it changes no verdict. `receipts` keeps whole lists of what clients received, `readers` of what
    their readers were shown.

    An append falls into a later millisecond than the last, or into the same: a choice of the
    store. In a `blind` world orderings cannot see the difference, and the choice is not made; it
    is not blind for a client that reads cursors.

    In an `endless` one heartbeats never end, and schedules need not either.
    """

    def __init__(
        self,
        cell: ExploreCell,
        *,
        wires: bool = False,
        receipts: bool = False,
        blind: bool = False,
        endless: bool = False,
        readers: bool = False,
    ) -> None:
        self.cell = cell
        self.reception = Reception(cell, wires, receipts, readers)
        blind = blind and not self.reception.client.reads_cursors
        self.programs = Programs(blind)
        self.stores = Stores(cell.stream_max_entries)
        self.channels = Channels(cell.hub, subscriptions_end=subscriptions_end(cell))
        self._connections = Connections(self.stores, self.channels, self.reception)
        self.service = Service(
            cell, self.programs, self.stores, self.channels, self.reception, endless
        )
        self._production = Production(cell, self.programs, self.stores, blind)
        self._strokes = strokes = Strokes(
            cell, self.programs, self.stores, self.channels, self.service, self._production
        )
        self.view, self.felt = strokes.view, strokes.felt
        self._nodes = 1 + sum(STRIKES[name].moves_client for name in cell.faults)

    def initial(self) -> State:
        """Nothing written, nobody there."""
        replica = self.cell.replica
        joiner = self.service.newcomer()
        return State(
            store=0,
            writers=self._production.begin(),
            undetermined=0,
            channels=(NOBODY,) * self._nodes,
            joiners=(joiner,) * self.cell.joiners,
            faults=self.cell.faults,
            replica=None if replica is None else Replicated(0, (), replica is Replica.ALL),
            started="start" not in named_effects(self.cell.connect.steps),
        )

    def moves(self, state: State) -> list[Move]:
        """What can happen next, faults apart. Nothing: the schedule is complete."""
        moves = [
            (step, after if arrival is None else self._arrive(after, arrival))
            for step, after, arrival in self.shared_moves(state)
        ]
        for place in range(len(state.joiners)):
            moves += self.client_moves(state, place)
        return [(step, self._hear(after)) for step, after in moves]

    def shared_moves(self, state: State) -> Iterator[tuple[Step, State, Arrival | None]]:
        """What does not depend on the clients, and what that brings to those of a node."""
        for step, after in (*self._production.moves(state), *self._production.replicate(state)):
            yield step, after, None
        for node in range(len(state.channels)):
            yield from self._connections.moves(state, node)

    def client_moves(self, state: State, place: int) -> Iterator[Move]:
        """What one client, its join and its node may do for it; it has heard no new frame yet."""
        return self.service.moves(state, place, state.joiners[place])

    def optional_moves(self, state: State) -> Iterator[Move]:
        """What may happen now and need not: a schedule is complete without it."""
        views = tuple(map(self.view, state.joiners))
        for step, after, felt, changes in self.shared_options(state, views):
            joiners = tuple(self.felt(joiner, p, felt) for p, joiner in enumerate(state.joiners))
            if changes or joiners != state.joiners:
                yield step, after._replace(joiners=joiners)

    def shared_options(self, state: State, clients: tuple[ClientView, ...]) -> Iterator[Blow]:
        """The faults, and another client's subscription before the first one's."""
        yield from self._strokes.strikes(state, clients)
        if self.cell.company and state.channels[0] == NOBODY:
            after = self.channels.at(state, 0, join)
            yield Blow(Step(join_name(0, 1), "subscribe"), after, (), changes=True)

    def outcome(self, state: State) -> ScheduleOutcome:
        """What a complete schedule has led to."""
        expected = self._expected(state)
        stuck = [self.cell.life.name(w) for w, window in enumerate(state.writers) if window]
        stuck += [
            join_name(joiner.node, place)
            for place, joiner in enumerate(state.joiners)
            if joiner.program != ENDED
        ]
        lost = [expected & ~joiner.shown & ~joiner.excused for joiner in state.joiners]
        learns = self.cell.ends and not state.undetermined >> self.cell.chunks + 1
        each = list(zip(state.joiners, lost, strict=True))
        return ScheduleOutcome(
            lost=tuple(map(_members, lost)),
            duplicated=any(joiner.duplicated for joiner in state.joiners),
            disordered=any(joiner.disordered for joiner in state.joiners),
            rewound=any(joiner.rewound for joiner in state.joiners),
            stuck=tuple(stuck),
            receipts=tuple(joiner.receipts for joiner in state.joiners),
            unfinished=_places(
                learns and not joiner.ended and not joiner.gone for joiner in state.joiners
            ),
            false_end=_places(
                joiner.short & expected & ~joiner.excused for joiner in state.joiners
            ),
            told_recovered=_places(joiner.vouched & missing for joiner, missing in each),
            foreign=_places(joiner.foreign for joiner in state.joiners),
        )

    def due(self, state: State) -> tuple[Chunk, ...]:
        """The chunks, without a number, that the producer knows to be written."""
        session = session_chunks(self.cell.chunks)
        return tuple(session[number - 1] for number in _members(self._expected(state)))

    def _expected(self, state: State) -> int:
        return all_of(self.cell.chunks) & ~state.undetermined

    def _arrive(self, state: State, arrival: Arrival) -> State:
        joiners = (self.received(joiner, arrival) for joiner in state.joiners)
        return state._replace(joiners=tuple(joiners))

    def received(self, joiner: Joiner, arrival: Arrival) -> Joiner:
        """The client after something has come to a node, which may be its own."""
        return received(self.service, self.reception, joiner, arrival)

    def _hear(self, state: State) -> State:
        if not any(joiner.hearing for joiner in state.joiners):
            return state
        return state._replace(joiners=tuple(map(self.reception.hear, state.joiners)))

    # --- names ---

    def answer(self, state: State, step: Step) -> Any:
        """What the store answered in a step that an ordering took in the state, or None."""
        store = state.store
        if step.actor.startswith(PRODUCERS):
            position = self._production.position(state, step)
        else:
            joiner = state.joiners[int(step.actor.rpartition("join")[2]) - 1]
            position = joiner.program
            store = read_from(state, joiner.node)[1]
        effect = self.programs.effect(position)
        if type(effect) not in READS | WRITES:
            return None
        return self.stores.execute(store, position, effect, step.effect.endswith(SAME_MS))[1]


def replay(world: World, steps: tuple[Step, ...]) -> list[State]:
    """Every state of a schedule, the first and the last included.

    Raises UsageError when a step cannot happen where it stands.
    """
    states = [world.initial()]
    for place, step in enumerate(steps, 1):
        here = states[-1]
        moves = [*world.moves(here), *world.optional_moves(here)]
        after = [state for taken, state in moves if taken == step]
        if not after:
            possible = ", ".join(f"{taken.actor} {taken.effect}" for taken, _ in moves)
            raise UsageError(
                f"step {place}: {step.actor} {step.effect} cannot happen here: {possible or 'end'}"
            )
        states.append(after[0])
    return states


def _places(holds: Iterable[object]) -> tuple[int, ...]:
    """Of those for which it holds, counted from 1."""
    return tuple(place for place, held in enumerate(holds, 1) if held)


def _members(mask: int) -> tuple[int, ...]:
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)
