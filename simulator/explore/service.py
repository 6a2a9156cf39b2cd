"""The nodes' half of the rules: the join of each client, and what its node does for it later."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import (
    NEWEST,
    Confirmed,
    Cursor,
    Follow,
    LookWhenPoked,
    Release,
    ReleaseAfter,
    SendControl,
    SendEnd,
    SendHistory,
    SendWelcome,
    Start,
    Subscribe,
    Unsubscribe,
)
from chunk7.delivery.errors import OrderingError
from chunk7.delivery.fetch import fetch_missing
from chunk7.delivery.following import follow, release_after
from chunk7.delivery.frames import BeatFrame
from chunk7.delivery.handover import attach, check, detach, hold, release
from chunk7.delivery.ordering import Join
from chunk7.simulator.explore.channels import Channels, join, leave, resubscribe
from chunk7.simulator.explore.dues import excused_at_first, settled
from chunk7.simulator.explore.naming import (
    MISHANDLED,
    effect_name,
    impossible,
    join_name,
    misplaced,
)
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import (
    SESSION,
    ExploreCell,
    Joiner,
    Move,
    State,
    all_of,
    read_from,
    with_joiner,
)
from chunk7.simulator.explore.stores import READS, Stores
from chunk7.simulator.explore.tailing import look, tail_moves
from chunk7.simulator.explore.telling import told

_LOCAL = frozenset(
    (
        *(SendHistory, SendWelcome, SendEnd, SendControl),
        *(Release, Follow, ReleaseAfter, LookWhenPoked),
    )
)
_MAX_FINAL_BEATS = 2
"""After the producer's end all is saved that ever will be; who asks twice in vain, asks in vain."""


class Service:
    """What the nodes of a cell may do for their clients."""

    def __init__(
        self,
        cell: ExploreCell,
        programs: Programs,
        stores: Stores,
        channels: Channels,
        reception: Reception,
        endless: bool = False,
    ) -> None:
        self._cell = cell
        self._programs = programs
        self._stores, self._channels = stores, channels
        self._reception = reception
        self._endless = endless
        self._from_message = cell.contract is Contract.FROM_MESSAGE
        self._resumes: dict[int, int | Cursor] = {}
        self._positioned = cell.connect.recovery is not None

    def newcomer(self) -> Joiner:
        """A client before its join."""
        client = self._reception.client.start()
        return Joiner(program=self.join(0), client=client, excused=excused_at_first(self._cell))

    def rejoin(self, joiner: Joiner, node: int) -> Joiner:
        """The client has lost its connection and joins again, at the given node."""
        resume = self._reception.client.resume_after(joiner.client)
        after_seq = resume if isinstance(resume, int) else 0
        return _unserved(joiner)._replace(node=node, program=self.join(resume), after_seq=after_seq)

    def leave(self, joiner: Joiner) -> Joiner:
        """The client has left for good."""
        excused = all_of(self._cell.chunks)
        return _unserved(joiner)._replace(program=ENDED, excused=excused, gone=True)

    def recover(self, joiner: Joiner) -> Joiner:
        """The node has left the client behind: from now on it holds live chunks, and recovers."""
        recovery = self._cell.connect.recovery
        assert recovery is not None
        assert joiner.handover is not None
        position = joiner.handover.position
        assert position is not None
        program = self._programs.root(
            ("recover", position), self._cell.connect.name, partial(recovery, position)
        )
        return joiner._replace(handover=hold(joiner.handover), program=program, recovering=True)

    def follows(self, joiner: Joiner) -> bool:
        """Whether the node keeps the position of a client that has joined."""
        return (
            self._positioned
            and joiner.handover is not None
            and (joiner.program == ENDED or joiner.recovering)
        )

    def join(self, resume: int | Cursor, message_id: str | None = None) -> int:
        """The position of a fresh join of a client that resumes there."""
        start = partial(self._cell.connect.steps, Join.resuming(SESSION, resume, message_id))
        root = self._programs.root(("join", resume, message_id), self._cell.connect.name, start)
        self._resumes[root] = resume
        return root

    def moves(self, state: State, place: int, joiner: Joiner) -> Iterator[Move]:
        """What the client, its join and its node may do for it next."""
        actor = join_name(joiner.node, place)
        if joiner.gone:
            return
        if joiner.wire:
            heard = joiner._replace(wire=joiner.wire[1:], hearing=joiner.wire[:1])
            yield Step(f"client{place + 1}", "hear"), with_joiner(state, place, heard)
        if joiner.program != ENDED:
            yield from self._join_step(state, place, joiner, actor)
        if joiner.following is not None:
            yield from tail_moves(self._stores, self._reception, state, place, joiner)
        if joiner.poked and joiner.looked is not None:
            yield look(self._stores, self._reception, state, place)
        if joiner.fetching != ENDED:
            yield self._answer_fetch(state, place, joiner, actor)
        elif joiner.fetches:
            yield self._fetch(state, place, joiner, actor)
        if self._reception.client.asks and joiner.program == ENDED:
            yield from self._heartbeat(state, place, joiner, actor)
        if self.follows(joiner) and not joiner.recovering:
            yield from self._check(state, place, joiner, actor)

    def _join_step(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        if self._from_message and joiner.program in self._resumes:
            joiner, message_id = settled(state, self._cell, joiner)
            joiner = joiner._replace(program=self.join(self._resumes[joiner.program], message_id))
        effect = self._programs.effect(joiner.program)
        kind = type(effect)
        if kind is Confirmed and not self._subscribed(state, joiner):
            return
        answer = None
        if kind is Subscribe:
            state = self._channels.at(state, joiner.node, join)
        elif kind is Unsubscribe:
            state = self._channels.at(state, joiner.node, leave)
        elif kind is Start:
            state = state._replace(started=True)
        elif kind is not Confirmed and kind not in READS and kind not in _LOCAL:
            raise misplaced(self._cell.connect.name, effect)
        try:
            if kind in READS:
                state, store = read_from(state, joiner.node)
                _, answer = self._stores.execute(store, joiner.program, effect)
            after = self._locally(state, joiner, effect)
        except OrderingError as error:
            raise OrderingError(f"{self._cell.connect.name}: {error}") from error
        except MISHANDLED as error:
            raise impossible(self._cell.connect.name, effect, error) from error
        program = self._programs.after(joiner.program, answer)
        after = after._replace(program=program, recovering=joiner.recovering and program != ENDED)
        yield Step(actor, effect_name(effect)), with_joiner(state, place, after)

    def _locally(self, state: State, joiner: Joiner, effect: Any) -> Joiner:
        match effect:
            case Subscribe(to):
                return joiner._replace(
                    handover=attach(joiner.handover, to, joiner.after_seq, self._positioned)
                )
            case Unsubscribe():
                detach(joiner.handover)
                return joiner._replace(handover=None)
            case SendHistory() | SendWelcome() | SendEnd() | SendControl():
                return told(self._programs, self._reception, self._cell, state, joiner, effect)
            case Release(known):
                handover, held = release(joiner.handover, known)
                joiner = joiner._replace(handover=handover)
                for chunk_id in held:
                    joiner = self._reception.send_live(joiner, chunk_id)
                return joiner
            case Follow(after, to):
                if after == NEWEST:
                    after = self._stores.newest(state.read_store)
                return joiner._replace(following=follow(joiner.following, after, to))
            case LookWhenPoked(after_seq):
                return joiner._replace(looked=after_seq)
            case ReleaseAfter(after):
                following, entries = release_after(joiner.following, after)
                return self._reception.send_entries(joiner._replace(following=following), entries)
        return joiner

    def _subscribed(self, state: State, joiner: Joiner) -> bool:
        return joiner.handover is not None and self._channels.confirmed(state, joiner.node)

    def _fetch(self, state: State, place: int, joiner: Joiner, actor: str) -> Move:
        wanted, *rest = joiner.fetches
        start = partial(fetch_missing, self._cell.connect.feed, *wanted)
        root = self._programs.root(("fetch", *wanted), "fetch_missing", start)
        state, store = read_from(state, joiner.node)
        _, answer = self._stores.execute(store, root, self._programs.effect(root))
        after = joiner._replace(fetches=tuple(rest), fetching=self._programs.after(root, answer))
        return Step(actor, "fetch"), with_joiner(state, place, after)

    def _answer_fetch(self, state: State, place: int, joiner: Joiner, actor: str) -> Move:
        after = self._locally(state, joiner, self._programs.effect(joiner.fetching))
        after = after._replace(fetching=self._programs.after(joiner.fetching, None))
        return Step(actor, "fetched"), with_joiner(state, place, after)

    def _heartbeat(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        """Some while the producer writes; then one, and one more for a hole still known."""
        waits = joiner.fetches or joiner.fetching != ENDED
        hole = not waits and self._reception.client.misses(joiner.client)
        beaten = self._beaten(state, joiner, _MAX_FINAL_BEATS if hole else 1)
        if beaten is None:
            return
        head = self._stores.after(state.read_store, "head", lambda m: m.head(SESSION))[1]
        after = self._reception.send(beaten, BeatFrame(head))
        yield Step(actor, "heartbeat"), with_joiner(state, place, after)

    def _check(self, state: State, place: int, joiner: Joiner, actor: str) -> Iterator[Move]:
        """A beat at which the node finds the client behind, subscribes again and recovers.

        What is merely on its way is taken for lost as well, which must do no harm.
        """
        beaten = self._beaten(state, joiner, _MAX_FINAL_BEATS)
        if beaten is None:
            return
        head = self._stores.after(state.read_store, "head", lambda m: m.head(SESSION))[1]
        checked = check(joiner.handover, head)
        if checked is not None:
            state = self._channels.at(state, joiner.node, resubscribe)
            after = self.recover(beaten._replace(handover=checked))
            yield Step(actor, "heartbeat"), with_joiner(state, place, after)

    def _beaten(self, state: State, joiner: Joiner, final_beats: int) -> Joiner | None:
        """The client after one more beat; None when it has had as many as it may have."""
        if self._endless:  # what waits for an answer comes to rest first: it would only ask again
            return None if joiner.fetches or joiner.fetching != ENDED else joiner
        if not state.produced:
            if joiner.early_beats == self._cell.early_beats:
                return None
            return joiner._replace(early_beats=joiner.early_beats + 1)
        if joiner.final_beats >= final_beats:
            return None
        return joiner._replace(final_beats=joiner.final_beats + 1)


def _unserved(joiner: Joiner) -> Joiner:
    """The client without all that a node did for it."""
    return joiner._replace(
        handover=None,
        has_history=False,
        following=None,
        looked=None,
        poked=False,
        recovering=False,
        wire=(),
        fetches=(),
        fetching=ENDED,
        final_beats=0,
    )
