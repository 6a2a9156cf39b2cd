"""A node loses the store and finds it again: subscriptions and what was on the way are gone.

The node sends its SUBSCRIBE again; until the store executes that, it hears nothing. It tells its
clients that a gap is possible, and repairs nothing by itself: clients that fill gaps learn of the
hole from a later chunk or heartbeat. Joins under way fail, and their clients join again. A stream
is followed on from the same cursor, and a fetch is repeated, so neither shows.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chunk7.simulator.explore.programs import ENDED
from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import SENT, UNSUBSCRIBED, Joiner, State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World


class StoreReconnect:
    """See above."""

    moves_client = False

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        for node in {joiner.node for joiner in state.joiners}:
            joiners = tuple(
                world.rejoin(joiner, node) if _joining(world, joiner, node) else joiner
                for joiner in state.joiners
            )
            listening = any(joiner.node == node and joiner.route for joiner in joiners)
            if listening or joiners != state.joiners:
                after = world.disconnect(state, node, SENT if listening else UNSUBSCRIBED)
                yield Step(f"node{node + 1}", "store_reconnect"), after._replace(joiners=joiners)


def _joining(world: "World", joiner: Joiner, node: int) -> bool:
    under_way = joiner.program != ENDED and not world.programs.is_root(joiner.program)
    return joiner.node == node and under_way
