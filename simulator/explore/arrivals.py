"""What comes to a node by Pub/Sub, and what the node does with it for each of its clients."""

from typing import NamedTuple

from chunk7.delivery.effects import Sink
from chunk7.simulator.explore.reception import Reception
from chunk7.simulator.explore.service import Service
from chunk7.simulator.explore.state import Joiner
from chunk7.simulator.explore.tailing import noticed


class Arrival(NamedTuple):
    """A chunk that has come to a node, by its id; a notice has none."""

    node: int
    chunk_id: int | None


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
