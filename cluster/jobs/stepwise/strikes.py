"""The faults of a schedule, done to a cell on a real store."""

from collections.abc import Callable, Sequence

from chunk7.cluster.jobs.stepwise.client import SteppedClient
from chunk7.cluster.jobs.stepwise.keys import SessionKeys
from chunk7.cluster.jobs.stepwise.producer import SteppedProducers
from chunk7.cluster.jobs.stepwise.relay import Relay
from chunk7.delivery.store import Key
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
    Strike,
    TrimTo,
)
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import ExploreCell


class SteppedStrikes:
    """What the faults of a cell may do to its participants.

    `rejoin(client, node)` has a client join again at a node.
    """

    def __init__(
        self,
        cell: ExploreCell,
        clients: Sequence[SteppedClient],
        relays: Sequence[Relay],
        keys: SessionKeys,
        producers: SteppedProducers,
        rejoin: Callable[[SteppedClient, int], None],
    ) -> None:
        self._cell = cell
        self._clients, self._relays = clients, relays
        self._keys, self._producers = keys, producers
        self._rejoin = rejoin

    async def strike(self, step: Step) -> bool:
        """Do the strike that the step is; false for one that is no fault's."""
        strike = self._strike(step)
        for consequence in strike.consequences if strike else ():
            await self._suffer(consequence)
        return strike is not None

    def _strike(self, step: Step) -> Strike | None:
        situation = Situation(
            tuple(
                ClientView(j.node, j.begun, j.joined, j.handover is not None) for j in self._clients
            ),
            tuple(self._producers.views()),
        )
        strikes = (s for name in self._cell.faults for s in STRIKES[name].strikes(situation))
        return next((strike for strike in strikes if strike[:3] == step), None)

    async def _suffer(self, consequence: Consequence) -> None:
        match consequence:
            case Rejoin(place, node):
                client = self._clients[place]
                self._detach(client)
                if not client.gone:
                    self._rejoin(client, node)
            case Leave(place):
                self._detach(self._clients[place])
                self._clients[place].leave()
            case DropNext(node):
                await self._relays[node].drop_next()
            case Disconnect(node, resubscribes):
                await self._relays[node].disconnect(resubscribes)
                for client in self._clients:
                    if resubscribes and client.node == node and client.follows:
                        client.recover(self._cell.connect)
            case Deafen(node, for_ever):
                await self._relays[node].deafen(for_ever)
            case Forget(key):
                await self._keys.forget(key)
                if key in (None, Key.STREAM):
                    self._producers.ids.forget()
            case RollBack(commands, clock_behind):
                await self._keys.roll_back(commands)
                self._producers.ids.roll_back(commands, clock_behind)
            case Lag(node):
                since = consequence.since(self._producers.writing, self._cell.chunks)
                await self._keys.keep_stale(node, since)
            case TrimTo(max_entries):
                await self._keys.trim(max_entries)
            case LoseReply():
                await self._producers.lose_reply(consequence)
            case Die(writer):
                self._producers.die(writer)
            case StartOver():
                self._producers.start_over(consequence)

    def _detach(self, client: SteppedClient) -> None:
        """Its node's hub hears that the client's connection has ended."""
        if client.handover is not None:
            self._relays[client.node].leave()
