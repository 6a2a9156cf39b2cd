"""What a node's work for a client can see of all that goes on: often nothing but the channel.

The less a step depends on, the fewer times it is executed; that it depends on no more is held by
tests, which compare the moves of every state with those of `World`.
"""

from typing import NamedTuple

from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import NEWEST, RECOVERED, Follow, SendControl, SendWelcome
from chunk7.simulator.explore.programs import ENDED
from chunk7.simulator.explore.state import Joiner, OpenWrite, State
from chunk7.simulator.explore.stores import READS, Stores
from chunk7.simulator.explore.world import World

_WRITING = ((OpenWrite(0, ENDED),),)
_BEHIND = ((0, 0, False),)


class Looks(NamedTuple):
    """What the node's next steps for a client look at."""

    stored: bool
    """What is stored, and whether more is to be written."""
    begun: bool
    """Which writes have begun."""


def looks(world: World, joiner: Joiner) -> Looks:
    """Of the client as it is."""
    effect = None if joiner.program == ENDED else world.programs.effect(joiner.program)
    reads = type(effect) in READS or (isinstance(effect, Follow) and effect.after == NEWEST)
    at_work = joiner.following is not None or joiner.poked or joiner.fetches
    beats = (effect is None and world.reception.client.asks) or world.service.follows(joiner)
    match world.cell.contract, effect:
        case (Contract.FROM_MESSAGE, _) | (Contract.FROM_WELCOME, SendWelcome()):
            begun = True
        case _:
            begun = isinstance(effect, SendControl) and effect.kind == RECOVERED
    return Looks(bool(reads or at_work or beats), begun)


def seen(state: State, stores: Stores, at: Looks) -> State:
    """The state as far as who looks so depends on it, the rest made alike."""
    alike = state._replace(undetermined=0, faults=(), before=())
    if not at.begun:
        alike = alike._replace(writers=_WRITING if at.stored and any(state.writers) else ())
    if not at.stored:
        return alike._replace(store=0, stale=None, replica=None)
    replica, stale = state.replica, state.stale
    if replica is not None:
        pending = _BEHIND if replica.pending else ()
        replica = replica._replace(store=stores.kept(replica.store), pending=pending)
    return alike._replace(
        store=stores.kept(state.store),
        stale=stale and stale._replace(store=stores.kept(stale.store)),
        replica=replica,
    )
