"""The faults' half of the rules: when one may strike, and what becomes of the world."""

from collections.abc import Iterator

from chunk7.delivery.errors import UsageError
from chunk7.delivery.store import MemoryStore
from chunk7.faults import STRIKES
from chunk7.faults.fault import (
    ClientView,
    Consequence,
    Deafen,
    Die,
    Disconnect,
    Forget,
    Lag,
    LoseReply,
    Rejoin,
    RollBack,
    Situation,
    StartOver,
    TrimTo,
)
from chunk7.simulator.explore.naming import node_name
from chunk7.simulator.explore.production import Production
from chunk7.simulator.explore.programs import ENDED, Programs
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.service import Service
from chunk7.simulator.explore.state import (
    SENT,
    SESSION,
    SUBSCRIBED,
    UNSUBSCRIBED,
    ExploreCell,
    Move,
    Stale,
    State,
    put,
    with_joiner,
)
from chunk7.simulator.explore.stores import Stores


class Strokes:
    """What the faults of a cell may do."""

    def __init__(
        self,
        cell: ExploreCell,
        programs: Programs,
        stores: Stores,
        service: Service,
        production: Production,
    ) -> None:
        self._chunks = cell.chunks
        self._programs = programs
        self._stores = stores
        self._service = service
        self._production = production
        self._faults = {name: STRIKES[name] for name in cell.faults}

    def moves(self, state: State) -> Iterator[Move]:
        """The faults that may strike now; a schedule is complete without them."""
        situation = self._situation(state)
        for name in dict.fromkeys(state.faults):
            rest = state._replace(faults=_without(state.faults, name))
            for actor, effect, chunk, consequences in self._faults[name].strikes(situation):
                after = rest
                for consequence in consequences:
                    after = self._suffer(after, consequence)
                if after != rest:
                    yield Step(actor, effect, chunk), after

    def _situation(self, state: State) -> Situation:
        clients = (
            ClientView(
                joiner.node,
                begun=joiner.recovering or not self._programs.is_root(joiner.program),
                joined=joiner.recovering or joiner.program == ENDED,
                listening=joiner.handover is not None,
            )
            for joiner in state.joiners
        )
        return Situation(tuple(clients), self._production.views(state))

    def _suffer(self, state: State, consequence: Consequence) -> State:
        if state.replica is not None and isinstance(consequence, RollBack | Lag):
            raise UsageError("--replica: not with a failover or a stale read: both have one")
        match consequence:
            case Rejoin(place, node):
                return with_joiner(state, place, self._service.rejoin(state.joiners[place], node))
            case Disconnect(node, resubscribes):
                after = self._disconnect(state, node, SENT if resubscribes else UNSUBSCRIBED)
                return self._recover_all(after, node) if resubscribes else after
            case TrimTo() | Forget():
                return self._lose(state, consequence)
            case Deafen(node, for_ever):
                channel = state.channels[node]
                if for_ever:
                    state = state._replace(deaf=tuple(sorted({*state.deaf, node})))
                return self._disconnect(state, node, channel) if channel == SUBSCRIBED else state
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

    def _disconnect(self, state: State, node: int, channel: int) -> State:
        """The node's subscription ends, and what was on its way is gone."""
        name = node_name(node)

        def drop(memory: MemoryStore) -> None:
            memory.unsubscribe(name, SESSION)
            memory.mailboxes[name].clear()

        store, _ = self._stores.after(state.heard_store, ("drop", node), drop)
        return state.hearing(store)._replace(channels=put(state.channels, node, channel))

    def _recover_all(self, state: State, node: int) -> State:
        """The node knows that it has left its clients behind, and does for them what it can."""
        joiners = tuple(
            self._service.recover(joiner)
            if joiner.node == node and self._service.follows(joiner)
            else joiner
            for joiner in state.joiners
        )
        return state._replace(joiners=joiners)


def _without(faults: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The faults that may still strike once this one has: it may be there more than once."""
    place = faults.index(name)
    return faults[:place] + faults[place + 1 :]
