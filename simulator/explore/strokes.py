"""The faults' half of the rules: when one may strike, and what becomes of the world."""

from collections.abc import Iterator
from typing import NamedTuple

from chunk7.delivery.errors import UsageError
from chunk7.delivery.store import MemoryStore
from chunk7.faults import STRIKES
from chunk7.faults.fault import (
    ClientView,
    Consequence,
    Deafen,
    Die,
    Disconnect,
    DropNext,
    Forget,
    Lag,
    Leave,
    LoseReply,
    Rejoin,
    RollBack,
    Situation,
    StartOver,
    TrimTo,
)
from chunk7.simulator.explore.channels import CONFIRMATION, NOBODY, Channels, leave, reconnect
from chunk7.simulator.explore.naming import node_name
from chunk7.simulator.explore.production import Production
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.service import Service
from chunk7.simulator.explore.state import (
    SESSION,
    ExploreCell,
    Joiner,
    Stale,
    State,
    put,
)
from chunk7.simulator.explore.stores import Stores

Felt = Rejoin | Leave | Disconnect
"""What clients feel of a strike."""


class Blow(NamedTuple):
    """A strike: what all share after it, whether that is another, and what clients feel of it."""

    step: Step
    state: State
    felt: tuple[Felt, ...]
    changes: bool


class Strokes:
    """What the faults of a cell may do."""

    def __init__(
        self,
        cell: ExploreCell,
        programs: Programs,
        stores: Stores,
        channels: Channels,
        service: Service,
        production: Production,
    ) -> None:
        self._chunks = cell.chunks
        self._programs = programs
        self._stores = stores
        self._channels = channels
        self._service = service
        self._production = production
        self._faults = {name: STRIKES[name] for name in cell.faults}

    def strikes(self, state: State, clients: tuple[ClientView, ...]) -> Iterator[Blow]:
        """The faults that may strike now; a schedule is complete without them."""
        situation = Situation(clients, self._production.views(state))
        for name in dict.fromkeys(state.faults):
            rest = state._replace(faults=_without(state.faults, name))
            for actor, effect, chunk, consequences in self._faults[name].strikes(situation):
                after = rest
                for consequence in consequences:
                    after = self._suffer(after, consequence, clients)
                felt = tuple(one for one in consequences if isinstance(one, Felt))
                yield Blow(Step(actor, effect, chunk), after, felt, after != rest)

    def view(self, joiner: Joiner) -> ClientView:
        """What a fault can see of a client."""
        return ClientView(
            joiner.node,
            begun=not joiner.gone
            and (joiner.recovering or not self._programs.is_root(joiner.program)),
            joined=joiner.recovering or joiner.program == ENDED,
            listening=joiner.handover is not None,
        )

    def _suffer(
        self, state: State, consequence: Consequence, clients: tuple[ClientView, ...]
    ) -> State:
        if state.replica is not None and isinstance(consequence, RollBack | Lag):
            raise UsageError("--replica: not with a failover or a stale read: both have one")
        match consequence:
            case Rejoin(client) | Leave(client):
                return self._unsubscribed(state, clients[client])
            case DropNext(node):
                return self._drop_next(state, node)
            case Disconnect(node, resubscribes):
                again = self._channels.after(state.channels[node], reconnect)
                return self._disconnect(state, node, again if resubscribes else NOBODY)
            case TrimTo() | Forget():
                return self._lose(state, consequence)
            case Deafen(node, for_ever):
                channel = state.channels[node]
                if for_ever:
                    state = state._replace(deaf=tuple(sorted({*state.deaf, node})))
                confirmed = self._channels.confirmed(state, node)
                return self._disconnect(state, node, channel) if confirmed else state
            case RollBack(commands, clock_behind):
                kept = max(len(state.before) - commands, 0) + 1
                store = self._stores.rolled_back(state.store, state.before[kept - 1], clock_behind)
                return state._replace(store=store, before=state.before[:kept])
            case Lag(node):
                writing = consequence.since(self._production.writing(state), self._chunks)
                return state._replace(stale=Stale(node, state.store, writing))
            case LoseReply(writer, chunk, executed, same_ms):
                return self._production.lose_reply(state, writer, chunk, executed, same_ms)
            case Die(writer):
                return self._production.die(state, writer)
            case StartOver(writer, zombie):
                return self._production.start_over(state, writer, zombie)

    def _lose(self, state: State, consequence: Forget | TrimTo) -> State:
        """The store loses keys or entries; a replica is told so in its turn."""
        after = state._replace(store=self._stores.suffered(state.store, consequence))
        replica = state.replica
        if replica is None or after.store == state.store:
            return after
        pending = (*replica.pending, consequence)
        return after._replace(replica=replica._replace(pending=pending))

    def _unsubscribed(self, state: State, client: ClientView) -> State:
        """A client's connection ends; unless somebody leaves, its node keeps the subscription."""
        if not client.listening or not self._channels.subscriptions_end:
            return state
        return self._channels.at(state, client.node, leave)

    def _drop_next(self, state: State, node: int) -> State:
        """The oldest chunk or notice on its way to the node is gone."""
        name = node_name(node)

        def drop(memory: MemoryStore) -> None:
            waiting = memory.mailboxes[name]
            for chunk in [chunk for chunk in waiting if chunk != CONFIRMATION][:1]:
                waiting.remove(chunk)

        store, _ = self._stores.after(state.heard_store, ("drop next", node), drop)
        return state.hearing(store)

    def _disconnect(self, state: State, node: int, channel: int) -> State:
        """The node's subscription ends, and what was on its way is gone."""
        name = node_name(node)

        def drop(memory: MemoryStore) -> None:
            memory.unsubscribe(name, SESSION)
            memory.mailboxes[name].clear()

        store, _ = self._stores.after(state.heard_store, ("drop", node), drop)
        return state.hearing(store)._replace(channels=put(state.channels, node, channel))

    def felt(self, joiner: Joiner, place: int, consequences: tuple[Felt, ...]) -> Joiner:
        """A client after what comes of a strike, in order.

        A node that subscribes again knows that it has left its clients behind: it recovers.
        """
        for one in consequences if not joiner.gone else ():
            if isinstance(one, Leave):
                joiner = self._service.leave(joiner) if one.client == place else joiner
            elif isinstance(one, Rejoin):
                if one.client == place:
                    joiner = self._service.rejoin(joiner, one.node)
            elif one.resubscribes and joiner.node == one.node and self._service.follows(joiner):
                joiner = self._service.recover(joiner)
        return joiner


def _without(faults: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The faults that may still strike once this one has: it may be there more than once."""
    place = faults.index(name)
    return faults[:place] + faults[place + 1 :]
