"""What comes to a node by Pub/Sub, and what the node does with it for each of its clients."""

from collections.abc import Iterator
from typing import NamedTuple

from chunk7.delivery.chunk import is_notice
from chunk7.delivery.effects import Sink
from chunk7.delivery.node_channel import ChannelCommand
from chunk7.delivery.store import MemoryStore
from chunk7.simulator.explore.channels import (
    CONFIRMATION,
    NOBODY,
    Channels,
    confirm,
    execute_next,
    take_effect,
)
from chunk7.simulator.explore.naming import node_name
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.service import Service
from chunk7.simulator.explore.state import SESSION, Joiner, Move, State
from chunk7.simulator.explore.stores import Stores
from chunk7.simulator.explore.tailing import noticed


class Arrival(NamedTuple):
    """A chunk that has come to a node, by its id; a notice has none."""

    node: int
    chunk_id: int | None


class Connections:
    """The one Pub/Sub connection of each node: commands on their way there, and what comes back."""

    def __init__(self, stores: Stores, channels: Channels, reception: Reception) -> None:
        self._stores, self._channels, self._reception = stores, channels, reception

    def moves(self, state: State, node: int) -> Iterator[tuple[Step, State, Arrival | None]]:
        """What may happen on the node's, and what that brings to its clients."""
        channel = state.channels[node]
        if channel == NOBODY and not self._channels.subscriptions_end:
            return
        if self._channels[channel].sent:
            yield *self._execute(state, node), None
        if self._waiting(state.heard_store, node):
            yield self._deliver(state, node)

    def _waiting(self, store: int, node: int) -> bool:
        """Whether something is on its way to the node."""
        name = node_name(node)
        return bool(
            self._stores.after(store, ("waiting", node), lambda m: bool(m.mailboxes[name]))[1]
        )

    def _execute(self, state: State, node: int) -> Move:
        """The store executes the next of the node's commands."""
        name, apart = node_name(node), self._channels.subscriptions_end
        command = self._channels[state.channels[node]].sent[0]
        deaf = node in state.deaf

        def execute(memory: MemoryStore) -> None:
            if command is ChannelCommand.UNSUBSCRIBE:
                memory.unsubscribe(name, SESSION)
                return
            if not deaf:
                memory.subscribe(name, SESSION)
            if apart:
                memory.mailboxes[name].append(CONFIRMATION)

        ends = command is ChannelCommand.UNSUBSCRIBE
        state = self._channels.at(state, node, execute_next if apart or ends else take_effect)
        store, _ = self._stores.after(state.heard_store, (command, node, deaf), execute)
        happens = "unsubscription" if ends else "subscription"
        return Step("store", happens), state.hearing(store)

    def _deliver(self, state: State, node: int) -> tuple[Step, State, Arrival | None]:
        name = node_name(node)
        store, chunk = self._stores.after(
            state.heard_store, ("deliver", node), lambda m: m.mailboxes[name].popleft()
        )
        after = state.hearing(store)
        if chunk == CONFIRMATION:
            return Step(name, "confirmation"), self._channels.at(after, node, confirm), None
        unheard = self._channels.for_nobody(after, node)
        if is_notice(chunk):
            return Step(name, "notice"), after, None if unheard else Arrival(node, None)
        chunk_id = self._reception.chunk_id(chunk)
        step = Step(name, "deliver", self._reception.number(chunk_id))
        return step, after, None if unheard else Arrival(node, chunk_id)


def received(service: Service, reception: Reception, joiner: Joiner, arrival: Arrival) -> Joiner:
    """The client after that, if the node is its own and attached to the channel for it."""
    if joiner.node != arrival.node:
        return joiner
    if arrival.chunk_id is None:
        return noticed(joiner)
    if joiner.handover is None:
        return joiner
    seq = reception.seq(arrival.chunk_id)
    handover, sent = joiner.handover.take(seq, arrival.chunk_id)
    joiner = joiner._replace(handover=handover)
    holds = service.follows(joiner) and handover.sink is Sink.BUFFER
    if holds and not joiner.recovering:  # it is not the next one, or comes after one that was not
        joiner = service.recover(joiner)
    for chunk_id in sent:
        joiner = reception.send_live(joiner, chunk_id)
    return joiner
