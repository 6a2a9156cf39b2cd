"""The rules: which events can happen in a state, and what each makes of it.

Every ordering is executed as it is, against `MemoryStore`; what the rules add is the world
around it: a store that executes SUBSCRIBE some time after it was sent, Pub/Sub that arrives
later and in order, several clients on one node's one subscription, a client that asks for what
it misses, heartbeats, faults. Nothing has a time: an event that can happen may happen now, or
after any other.
"""

import re
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.cursor import entry_id
from chunk7.delivery.effects import (
    BEGINNING,
    NEWEST,
    Append,
    Confirmed,
    Cursor,
    Follow,
    Release,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.errors import OrderingError, UsageError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.handover import attach, release
from chunk7.delivery.ordering import Join
from chunk7.delivery.store import MemoryStore
from chunk7.faults import STRIKES
from chunk7.faults.fault import (
    ClientView,
    Consequence,
    Disconnect,
    GiveUp,
    Rejoin,
    Situation,
    TrimTo,
)
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.schedule import SAME_MS, Step
from chunk7.simulator.explore.state import (
    SENT,
    SESSION,
    SUBSCRIBED,
    UNSUBSCRIBED,
    Cell,
    Frame,
    History,
    Joiner,
    Outcome,
    State,
    session_chunks,
)
from chunk7.simulator.explore.stores import READS, WRITES, Stores, execute

Move = tuple[Step, State]


class Write(NamedTuple):
    """What a command of the producer leads to: store, chunk number and position after it."""

    store: int
    writing: int
    producer: int
    step: Step


class World:
    """One cell's rules, and the memory that makes them fast.

    A client takes a frame as soon as it is written, because what it does then depends on the
    frames and their order only, and the answer to what it asks takes as long as it likes
    anyway. `wires` makes the client's receiving an event of its own instead; a test holds that
    it changes no verdict. `receipts` keeps whole lists of what clients received.

    An append falls into a later millisecond than the last, or into the same: a choice of the
    store. In a `blind` world orderings cannot see the difference, and the choice is not made.
    """

    def __init__(
        self, cell: Cell, *, wires: bool = False, receipts: bool = False, blind: bool = False
    ) -> None:
        self.cell = cell
        self.programs = Programs(blind)
        self._blind = blind
        self.stores = Stores(cell.stream_max_entries)
        self.client = cell.client_model()
        self._faults = {name: STRIKES[name] for name in cell.faults}
        self._nodes = 1 + sum(fault.moves_client for fault in self._faults.values())
        self._wires = wires
        self._receipts = receipts
        self._session = session_chunks(cell.chunks)
        self._session_numbers = {chunk: number for number, chunk in enumerate(self._session, 1)}
        self._chunks: list[Chunk] = []
        self._numbers: list[int | None] = []
        self._chunk_ids: dict[Chunk, int] = {}
        self._written: dict[tuple[int, int], tuple[Write, ...]] = {}

    def initial(self) -> State:
        """Nothing written, nobody there."""
        joiner = Joiner(0, self._join(0), self.client.start())
        number, producer = self._next_chunk(1)
        return State(
            store=0,
            writing=number,
            producer=producer,
            undetermined=0,
            channels=(UNSUBSCRIBED,) * self._nodes,
            joiners=(joiner,) * self.cell.joiners,
            faults=self.cell.faults,
        )

    def moves(self, state: State) -> list[Move]:
        """What can happen next, faults apart. Nothing: the schedule is complete."""
        moves: list[Move] = []
        if state.producer != ENDED:
            moves += self._produce(state)
        for node, channel in enumerate(state.channels):
            if channel == SENT:
                moves.append(self._take_effect(state, node))
            elif channel == SUBSCRIBED and self.waiting(state.store, node):
                moves.append(self._deliver(state, node))
        for place, joiner in enumerate(state.joiners):
            moves += self._joiner_moves(state, place, joiner)
        return moves

    def fault_moves(self, state: State) -> Iterator[Move]:
        """The faults that may strike now; a schedule is complete without them."""
        situation = self._situation(state)
        for name in state.faults:
            rest = state._replace(faults=tuple(other for other in state.faults if other != name))
            for actor, effect, chunk, consequences in self._faults[name].strikes(situation):
                after = rest
                for consequence in consequences:
                    after = self._suffer(after, consequence)
                if after != rest:
                    yield Step(actor, effect, chunk), after

    def _situation(self, state: State) -> Situation:
        writing = state.writing if state.writing <= self.cell.chunks else None
        clients = (
            ClientView(
                joiner.node,
                begun=not self.programs.is_root(joiner.program),
                joined=joiner.program == ENDED,
                listening=joiner.handover is not None,
            )
            for joiner in state.joiners
        )
        return Situation(
            tuple(clients), writing, writing is not None and len(self.writes(state)) > 1
        )

    def _suffer(self, state: State, consequence: Consequence) -> State:
        match consequence:
            case Rejoin(place, node):
                return _with(state, place, self._rejoin(state.joiners[place], node))
            case Disconnect(node, resubscribes):
                return self._disconnect(state, node, SENT if resubscribes else UNSUBSCRIBED)
            case TrimTo(max_entries):
                store, _ = self.stores.after(
                    state.store, ("trim", max_entries), lambda m: m.trim(SESSION, max_entries)
                )
                return state._replace(store=store)
            case GiveUp(executed, same_ms):
                store = self.writes(state)[same_ms].store if executed else state.store
                return self._give_up(state)._replace(store=store)

    def outcome(self, state: State) -> Outcome:
        """What a complete schedule has led to."""
        expected = (2 << self.cell.chunks) - 2 & ~state.undetermined
        stuck = ["producer"] if state.producer != ENDED else []
        stuck += [
            _join_name(joiner.node, place)
            for place, joiner in enumerate(state.joiners)
            if joiner.program != ENDED
        ]
        return Outcome(
            lost=tuple(_members(expected & ~joiner.shown) for joiner in state.joiners),
            duplicated=any(joiner.duplicated for joiner in state.joiners),
            disordered=any(joiner.disordered for joiner in state.joiners),
            rewound=any(joiner.rewound for joiner in state.joiners),
            stuck=tuple(stuck),
            receipts=tuple(joiner.receipts for joiner in state.joiners),
        )

    # --- the producer ---

    def writes(self, state: State) -> tuple[Write, ...]:
        """The producer's next command: every way in which the store can execute it."""
        key = (state.store, state.producer)
        known = self._written.get(key)
        if known is None:
            effect = self._expect(state.producer, WRITES, self.cell.write.name)
            ways = (False, True) if self._may_share_ms(state.store, effect) else (False,)
            known = self._written[key] = tuple(self._write(state, effect, way) for way in ways)
        return known

    def _may_share_ms(self, store: int, effect: Any) -> bool:
        """Whether an entry may get the millisecond of the one before it."""
        if self._blind or type(effect) is not Append:
            return False
        return self._newest(store) != BEGINNING

    def _write(self, state: State, effect: Any, same_ms: bool) -> Write:
        try:
            store, answer = self._execute(state.store, state.producer, effect, same_ms)
        except _MISHANDLED as error:
            raise _impossible(self.cell.write.name, effect, error) from error
        number, position = state.writing, self.programs.after(state.producer, answer)
        if position == ENDED:
            number, position = self._next_chunk(number + 1)
        name = effect_name(effect) + SAME_MS * same_ms
        return Write(store, number, position, Step("producer", name, state.writing))

    def _give_up(self, state: State) -> State:
        """The producer drops the chunk that it is writing and turns to the next."""
        number, position = self._next_chunk(state.writing + 1)
        lost = state.undetermined | 1 << state.writing
        return state._replace(writing=number, producer=position, undetermined=lost)

    def _produce(self, state: State) -> list[Move]:
        return [
            (step, state._replace(store=store, writing=number, producer=position))
            for store, number, position, step in self.writes(state)
        ]

    def _next_chunk(self, number: int) -> tuple[int, int]:
        for chunk_number in range(number, self.cell.chunks + 1):
            chunk = self._session[chunk_number - 1]
            start = partial(self.cell.write.steps, chunk)
            position = self.programs.root(("write", chunk_number), self.cell.write.name, start)
            if position != ENDED:
                return chunk_number, position
        return self.cell.chunks + 1, ENDED

    # --- a node and its one Pub/Sub connection ---

    def waiting(self, store: int, node: int) -> bool:
        """Whether a published chunk is on its way to the node."""
        name = node_name(node)
        return bool(
            self.stores.after(store, ("waiting", node), lambda m: bool(m.mailboxes[name]))[1]
        )

    def _disconnect(self, state: State, node: int, channel: int) -> State:
        """The node's subscription ends, and what was on its way is gone."""
        name = node_name(node)

        def drop(memory: MemoryStore) -> None:
            memory.unsubscribe(name, SESSION)
            memory.mailboxes[name].clear()

        store, _ = self.stores.after(state.store, ("drop", node), drop)
        return state._replace(store=store, channels=_put(state.channels, node, channel))

    def _take_effect(self, state: State, node: int) -> Move:
        name = node_name(node)
        store, _ = self.stores.after(
            state.store, ("subscribe", node), lambda m: m.subscribe(name, SESSION)
        )
        channels = _put(state.channels, node, SUBSCRIBED)
        return Step("store", "subscription"), state._replace(store=store, channels=channels)

    def _deliver(self, state: State, node: int) -> Move:
        name = node_name(node)
        store, chunk = self.stores.after(
            state.store, ("deliver", node), lambda m: m.mailboxes[name].popleft()
        )
        chunk_id = self._chunk_id(chunk)
        joiners = list(state.joiners)
        for place, joiner in enumerate(joiners):
            if joiner.node == node and joiner.handover is not None:
                handover, sent = joiner.handover.take(self._chunks[chunk_id].seq, chunk_id)
                if handover is not joiner.handover:
                    joiner = joiner._replace(handover=handover)
                joiners[place] = self._send(joiner, sent) if sent else joiner
        step = Step(name, "deliver", self._numbers[chunk_id])
        return step, state._replace(store=store, joiners=tuple(joiners))

    # --- what a node does for one client ---

    def _rejoin(self, joiner: Joiner, node: int) -> Joiner:
        """The client has lost its connection and joins again, at the given node."""
        after_seq = self.client.resume_after(joiner.client)
        return joiner._replace(
            node=node,
            program=self._join(after_seq),
            after_seq=after_seq,
            handover=None,
            has_history=False,
            cursor=None,
            wire=(),
            fetches=(),
            fetching=ENDED,
            final_beats=0,
        )

    def _join(self, after_seq: int) -> int:
        start = partial(self.cell.connect.steps, Join(SESSION, after_seq))
        return self.programs.root(("join", after_seq), self.cell.connect.name, start)

    def _joiner_moves(self, state: State, place: int, joiner: Joiner) -> Iterator[Move]:
        actor = _join_name(joiner.node, place)
        if joiner.wire:
            heard = self._hear(joiner._replace(wire=joiner.wire[1:]), joiner.wire[0])
            yield Step(f"client{place + 1}", "hear"), _with(state, place, heard)
        if joiner.program != ENDED:
            yield from self._join_step(state, place, joiner, actor)
        if joiner.cursor is not None:
            yield from self._tail(state, place, joiner, actor)
        if joiner.fetching != ENDED:
            yield self._answer_fetch(state, place, joiner, actor)
        elif joiner.fetches:
            yield self._fetch(state, place, joiner, actor)
        if self.client.asks and joiner.program == ENDED:
            yield from self._heartbeat(state, place, joiner, actor)

    def _join_step(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        effect = self.programs.effect(joiner.program)
        kind = type(effect)
        if kind is Confirmed and not self._subscribed(state, joiner):
            return
        answer = None
        if kind is Subscribe:
            if state.channels[joiner.node] == UNSUBSCRIBED:
                state = state._replace(channels=_put(state.channels, joiner.node, SENT))
        elif kind is not Confirmed and kind not in READS and kind not in _LOCAL:
            raise self._misplaced(effect, self.cell.connect.name)
        try:
            if kind in READS:
                _, answer = self._execute(state.store, joiner.program, effect)
            after = self._locally(state, joiner, effect)
        except OrderingError as error:
            raise OrderingError(f"{self.cell.connect.name}: {error}") from error
        except _MISHANDLED as error:
            raise _impossible(self.cell.connect.name, effect, error) from error
        after = after._replace(program=self.programs.after(joiner.program, answer))
        yield Step(actor, effect_name(effect)), _with(state, place, after)

    def _locally(self, state: State, joiner: Joiner, effect: Any) -> Joiner:
        match effect:
            case Subscribe(to):
                return joiner._replace(handover=attach(joiner.handover, to, joiner.after_seq))
            case SendHistory(chunks):
                return self._send(joiner, History(tuple(map(self._chunk_id, chunks))))
            case SendWelcome(head_seq) if head_seq is not None:
                return self._send(joiner, head_seq)
            case Release(known):
                handover, held = release(joiner.handover, known)
                joiner = joiner._replace(handover=handover)
                for chunk_id in held:
                    joiner = self._send(joiner, (chunk_id,))
                return joiner
            case Follow(after):
                if joiner.cursor is not None:
                    raise OrderingError("follows twice")
                if after == NEWEST:
                    after = self._newest(state.store)
                entry_id(after)  # refuse what is none as the node does: at once
                return joiner._replace(cursor=after)
        return joiner

    def _newest(self, store: int) -> Cursor:
        read = self.stores.after(store, "newest", lambda m: m.stream(SESSION, NEWEST))[1]
        cursor: Cursor = read.cursor
        return cursor

    def _subscribed(self, state: State, joiner: Joiner) -> bool:
        return joiner.handover is not None and state.channels[joiner.node] == SUBSCRIBED

    def _tail(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        cursor = joiner.cursor
        assert cursor is not None
        read = self.stores.after(
            state.store, ("tail", cursor), lambda m: m.stream(SESSION, cursor)
        )[1]
        for chunk in read.chunks:
            joiner = self._send(joiner, (self._chunk_id(chunk),))
        if read.chunks:
            after = joiner._replace(cursor=read.cursor)
            yield Step(actor, "tail"), _with(state, place, after)

    def _fetch(self, state: State, place: int, joiner: Joiner, actor: str) -> Move:
        wanted, *rest = joiner.fetches
        start = partial(fetch_missing, self.cell.connect.feed, *wanted)
        root = self.programs.root(("fetch", *wanted), "fetch_missing", start)
        _, answer = self._execute(state.store, root, self.programs.effect(root))
        after = joiner._replace(fetches=tuple(rest), fetching=self.programs.after(root, answer))
        return Step(actor, "fetch"), _with(state, place, after)

    def _answer_fetch(self, state: State, place: int, joiner: Joiner, actor: str) -> Move:
        after = self._locally(state, joiner, self.programs.effect(joiner.fetching))
        after = after._replace(fetching=self.programs.after(joiner.fetching, None))
        return Step(actor, "fetched"), _with(state, place, after)

    def _heartbeat(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        """Some while the producer writes; then one, and one more for a hole still known."""
        if state.producer != ENDED:
            if joiner.early_beats == self.cell.early_beats:
                return
            beaten = joiner._replace(early_beats=joiner.early_beats + 1)
        else:
            waits = joiner.fetches or joiner.fetching != ENDED
            hole = not waits and self.client.misses(joiner.client)
            if joiner.final_beats and not (hole and joiner.final_beats < _MAX_FINAL_BEATS):
                return
            beaten = joiner._replace(final_beats=joiner.final_beats + 1)
        head = self.stores.after(state.store, "head", lambda m: m.head(SESSION))[1]
        yield Step(actor, "heartbeat"), _with(state, place, self._send(beaten, head))

    # --- the client ---

    def _send(self, joiner: Joiner, frame: Frame) -> Joiner:
        if self._wires:
            return joiner._replace(wire=(*joiner.wire, frame))
        return self._hear(joiner, frame)

    def _hear(self, joiner: Joiner, frame: Frame) -> Joiner:
        model = self.client
        if isinstance(frame, int):
            joiner = joiner._replace(client=model.learn_head(joiner.client, frame))
        elif isinstance(frame, History):
            for chunk_id in frame.chunks:
                joiner = self._receive(joiner, chunk_id)
            if not joiner.has_history:
                joiner = joiner._replace(has_history=True)
        else:
            joiner = self._receive(joiner, frame[0])
        if not joiner.has_history:
            return joiner
        memory, wanted = model.ask(joiner.client)
        fetches = joiner.fetches if wanted is None else (*joiner.fetches, wanted)
        return joiner._replace(client=memory, fetches=fetches)

    def _receive(self, joiner: Joiner, chunk_id: int) -> Joiner:
        memory, shown = self.client.take(joiner.client, self._chunks[chunk_id])
        number = self._numbers[chunk_id]
        if number is None:  # not a chunk of the session, or altered: as good as not received
            return joiner._replace(client=memory)
        bit = 1 << number
        again = bool(joiner.received & bit)
        return joiner._replace(
            client=memory,
            received=joiner.received | bit,
            shown=joiner.shown | bit if shown else joiner.shown,
            latest=max(joiner.latest, number),
            duplicated=joiner.duplicated or again,
            disordered=joiner.disordered or (not again and number < joiner.latest),
            rewound=joiner.rewound or number < joiner.latest,  # before the first, latest is last
            receipts=(*joiner.receipts, number) if self._receipts else (),
        )

    # --- names ---

    def answer(self, state: State, step: Step) -> Any:
        """What the store answered in a step that an ordering took in the state, or None."""
        if step.actor == "producer":
            position = state.producer
        else:
            place = int(step.actor.rpartition("join")[2]) - 1
            position = state.joiners[place].program
        effect = self.programs.effect(position)
        if type(effect) not in READS | WRITES:
            return None
        return self._execute(state.store, position, effect, step.effect.endswith(SAME_MS))[1]

    def numbers_of(self, chunks: tuple[Chunk, ...]) -> tuple[int, ...]:
        """The chunks' numbers in the session."""
        found = (self._numbers[self._chunk_id(chunk)] for chunk in chunks)
        return tuple(number for number in found if number is not None)

    def _execute(
        self, store: int, position: int, effect: Any, same_ms: bool = False
    ) -> tuple[int, Any]:
        return self.stores.after(
            store,
            (position, SAME_MS) if same_ms else position,
            lambda memory: execute(memory, SESSION, effect, same_ms=same_ms),
        )

    def _expect(self, position: int, kinds: frozenset[type], name: str) -> Any:
        effect = self.programs.effect(position)
        if type(effect) not in kinds:
            raise self._misplaced(effect, name)
        return effect

    def _misplaced(self, effect: Any, name: str) -> OrderingError:
        return OrderingError(f"{name}: {type(effect).__name__} belongs to the other side")

    def _chunk_id(self, chunk: Chunk) -> int:
        known = self._chunk_ids.get(chunk)
        if known is None:
            known = self._chunk_ids[chunk] = len(self._chunks)
            self._chunks.append(chunk)
            self._numbers.append(self._session_numbers.get(chunk.numbered(0)))
        return known


_MISHANDLED = (AttributeError, TypeError, ValueError)
"""What comes of an effect with a field that is not of its kind."""
_LOCAL = frozenset((SendHistory, SendWelcome, Release, Follow))
_MAX_FINAL_BEATS = 2
"""After the producer's end all is saved that ever will be; who asks twice in vain, asks in vain."""


def replay(world: World, steps: tuple[Step, ...]) -> list[State]:
    """Every state of a schedule, the first and the last included.

    Raises UsageError when a step cannot happen where it stands.
    """
    states = [world.initial()]
    for place, step in enumerate(steps, 1):
        here = states[-1]
        moves = [*world.moves(here), *world.fault_moves(here)]
        after = [state for taken, state in moves if taken == step]
        if not after:
            possible = ", ".join(f"{taken.actor} {taken.effect}" for taken, _ in moves)
            raise UsageError(
                f"step {place}: {step.actor} {step.effect} cannot happen here: {possible or 'end'}"
            )
        states.append(after[0])
    return states


@cache
def node_name(node: int) -> str:
    """The node's name as a subscriber, and as an actor."""
    return f"node{node + 1}"


def effect_name(effect: Any) -> str:
    """An effect's name in schedules: its class name in small letters."""
    return snake_case(type(effect).__name__)


def _impossible(name: str, effect: Any, error: Exception) -> OrderingError:
    return OrderingError(f"{name}: cannot perform {effect!r}: {error}")


@cache
def snake_case(name: str) -> str:
    """A class name in small letters."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).lower()


@cache
def _join_name(node: int, place: int) -> str:
    return f"node{node + 1}.join{place + 1}"


def _with(state: State, place: int, joiner: Joiner) -> State:
    joiners = state.joiners
    return state._replace(joiners=(*joiners[:place], joiner, *joiners[place + 1 :]))


def _put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])


def _members(mask: int) -> tuple[int, ...]:
    return tuple(number for number in range(mask.bit_length()) if mask >> number & 1)
