"""The rules of a world, each executed once for the parts of a state that it depends on.

What comes of it is looked up wherever these parts meet again, until the world is closed. That what
is left out of a rule's view really does not matter to it, is held by tests: the same schedules, one
by one, as `World` has.
"""

from functools import cache
from typing import Any, NamedTuple

from chunk7.faults.fault import ClientView
from chunk7.simulator.explore.arrivals import Arrival
from chunk7.simulator.explore.parts import Heard, Left, Numbers, PartNumbers, Parts
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.sights import Looks, looks, seen
from chunk7.simulator.explore.state import Joiner, ScheduleOutcome, State, put
from chunk7.simulator.explore.strokes import Felt
from chunk7.simulator.explore.world import World

PartMove = tuple[Step, Parts]
Change = tuple[tuple[str, Any], ...]
"""Fields of a state, with what they become."""
Half = tuple[int, Heard | None]
"""What a node does for a client after a step, and what the client then hears."""


class Work(NamedTuple):
    """A step that a node takes for a client, and the number of what it changes for all."""

    step: Step
    half: Half
    change: int


_CHANGED = ("channels", "stale", "started")
"""What a node's work for one client may change of what all share."""
_OF_ALL = tuple(place for place, name in enumerate(State._fields) if name != "joiners")


class PartedWorld:
    """What `World` has, by `Parts`."""

    def __init__(self, world: World) -> None:
        self.effects: set[str] = set()
        """Those of all moves so far."""
        self._world = world
        self._parts = PartNumbers()
        self._sights = Numbers[State]()
        self._changes = Numbers[Change](())
        self._feelings = Numbers[tuple[Felt, ...]](())
        self._missing: dict[bool, int] = {}
        self._others = (Joiner(),) * world.cell.joiners
        self._shared_moves = cache(self._share)
        self._arrived = cache(self._arrive)
        self._received = cache(self._receive)
        self._sight = cache(self._see)
        self._looks = cache(self._look)
        self._looked = cache(self._look_for)
        self._served = cache(self._serve)
        self._worked = cache(self._work)
        self._misses = cache(self._miss)
        self._changed = cache(self._change)
        self._read = cache(self._hear)
        self._left = cache(self._leave)
        self._viewed = cache(self._view)
        self._options = cache(self._strike)
        self._felt = cache(self._feel)
        self._harmed = cache(self._harm)

    def close(self) -> None:
        """Let go of all that was looked up, which holds the world; it can do no more."""
        vars(self).clear()

    def initial(self) -> Parts:
        """The first state."""
        return self._parts.split(self._world.initial())

    def state(self, parts: Parts) -> State:
        """The state, put together."""
        return self._parts.state(parts)

    def outcome(self, parts: Parts) -> ScheduleOutcome:
        """What a complete schedule has led to."""
        return self._world.outcome(self._parts.state(parts))

    def moves(self, parts: Parts) -> list[PartMove]:
        """What can happen next, faults apart; in the order of `World.moves`."""
        shared, clients = parts[0], parts[1:]
        moves: list[PartMove] = []
        for step, now, arrival in self._shared_moves(shared):
            if arrival is None:
                moves.append((step, (now, *clients)))
            else:
                after = [self._arrived(client, arrival) for client in clients]
                moves.append((step, (now, *after)))
        alone = len(clients) == 1
        for place, client in enumerate(clients):
            sight = self._sight(shared, self._looks(client))
            for step, now, change in self._served(place, client, sight):
                there = self._changed(shared, change) if change else shared
                all_now = (there, now) if alone else (there, *put(clients, place, now))
                moves.append((step, all_now))
        return moves

    def optional_moves(self, parts: Parts) -> list[PartMove]:
        """What may happen now and need not."""
        shared, clients = parts[0], parts[1:]
        if not self._parts.shared.value(shared).faults and not self._world.cell.company:
            return []
        moves: list[PartMove] = []
        views = tuple([self._viewed(client) for client in clients])
        for step, now, felt, changes in self._options(shared, views):
            after = clients
            if felt:
                after = tuple([self._felt(p, client, felt) for p, client in enumerate(clients)])
            if changes or after != clients:
                moves.append((self._taken(step), (now, *after)))
        return moves

    # --- each of these is executed once for what it is given ---

    def _share(self, shared: int) -> list[tuple[Step, int, Arrival | None]]:
        state = self._parts.shared.value(shared)
        return [
            (self._taken(step), self._parts.share(after), arrival)
            for step, after, arrival in self._world.shared_moves(state)
        ]

    def _arrive(self, client: int, arrival: Arrival) -> int:
        node, reader = self._parts.clients.value(client)
        return self._told(*self._received(node, arrival), reader)

    def _receive(self, node: int, arrival: Arrival) -> Half:
        return self._half(self._world.received(self._parts.joiner(node), arrival))

    def _told(self, node: int, heard: Heard | None, reader: int) -> int:
        """The client when it has heard that."""
        if heard is not None:
            reader, left = self._read(reader, heard)
            node = node if left is None else self._left(node, left)
        return self._parts.clients.of((node, reader))

    def _see(self, shared: int, at: Looks) -> int:
        return self._sights.of(seen(self._parts.shared.value(shared), self._world.stores, at))

    def _look(self, client: int) -> Looks:
        return self._looked(self._parts.clients.value(client)[0])

    def _look_for(self, node: int) -> Looks:
        return looks(self._world, self._parts.joiner(node))

    def _miss(self, reader: int) -> bool:
        """Whether the client knows of a hole."""
        memory, client = self._parts.joiner(reader=reader).client, self._world.reception.client
        misses = client.asks and client.misses(memory)
        self._missing.setdefault(misses, reader)
        return misses

    def _serve(self, place: int, client: int, sight: int) -> list[tuple[Step, int, int]]:
        node, reader = self._parts.clients.value(client)
        return [
            (step, self._told(after, heard, reader), change)
            for step, (after, heard), change in self._worked(
                place, node, sight, self._misses(reader)
            )
        ]

    def _work(self, place: int, node: int, sight: int, misses: bool) -> list[Work]:
        """What a node may do for a client of which it only knows whether it misses anything."""
        joiner = self._parts.joiner(node, self._missing[misses])
        before = self._sights.value(sight)._replace(joiners=put(self._others, place, joiner))
        return [
            Work(
                self._taken(step),
                self._half(after.joiners[place]),
                self._changes.of(_difference(before, after)),
            )
            for step, after in self._world.client_moves(before, place)
        ]

    def _change(self, shared: int, change: int) -> int:
        state = self._parts.shared.value(shared)._replace(**dict(self._changes.value(change)))
        return self._parts.share(state)

    def _hear(self, reader: int, heard: Heard) -> tuple[int, Left | None]:
        client = self._parts.joiner(reader=reader)
        frames, excused, has_history = heard
        after = self._world.reception.hear(
            client._replace(hearing=frames, excused=excused, has_history=has_history)
        )
        changes = after.fetches or after.has_history != has_history
        left = Left(after.fetches, after.has_history) if changes else None
        return self._parts.reader(after), left

    def _leave(self, node: int, left: Left) -> int:
        client = self._parts.joiner(node)
        fetches = (*client.fetches, *left.fetches)
        return self._parts.node(client._replace(fetches=fetches, has_history=left.has_history))

    def _view(self, client: int) -> ClientView:
        return self._world.view(self._parts.joiner(self._parts.clients.value(client)[0]))

    def _strike(
        self, shared: int, views: tuple[ClientView, ...]
    ) -> list[tuple[Step, int, int, bool]]:
        blows = self._world.shared_options(self._parts.shared.value(shared), views)
        return [
            (step, self._parts.share(after), self._feelings.of(felt), changes)
            for step, after, felt, changes in blows
        ]

    def _feel(self, place: int, client: int, felt: int) -> int:
        node, reader = self._parts.clients.value(client)
        memory = self._parts.joiner(reader=reader).client
        after = self._harmed(place, node, memory, felt)
        return self._parts.clients.of((after, reader))

    def _harm(self, place: int, node: int, memory: int, felt: int) -> int:
        """What is left of a node's work for a client; where that resumes it may have to say."""
        joiner = self._parts.joiner(node)._replace(client=memory)
        return self._parts.node(self._world.felt(joiner, place, self._feelings.value(felt)))

    def _half(self, joiner: Joiner) -> Half:
        """The node's half after a step, and what its client is to hear."""
        frames = joiner.hearing
        heard = Heard(frames, joiner.excused, joiner.has_history) if frames else None
        return self._parts.node(joiner), heard

    def _taken(self, step: Step) -> Step:
        self.effects.add(step.effect)
        return step


def _difference(before: State, after: State) -> Change:
    """What a node's work for a client has changed of what all share."""
    changed = [place for place in _OF_ALL if after[place] is not before[place]]
    if not changed:
        return ()
    changes = tuple([(State._fields[place], after[place]) for place in changed])
    assert all(name in _CHANGED for name, _ in changes), changes
    return changes
