"""A relay node dies. Its clients connect to the next node and join there from the start.

A client that tracks numbers says how far it has everything; the others start from 0. What was
on the way to the client is lost with the node, which is no schedule of its own: to the client
it is the same as a crash before it was sent.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import UNSUBSCRIBED, State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World


class NodeCrashAndRejoin:
    """See above."""

    moves_client = True

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        busy = {
            joiner.node for joiner in state.joiners if not world.programs.is_root(joiner.program)
        }
        for node in sorted(busy):
            joiners = tuple(
                world.rejoin(joiner, node + 1) if joiner.node == node else joiner
                for joiner in state.joiners
            )
            after = world.disconnect(state, node, UNSUBSCRIBED)
            yield Step(f"node{node + 1}", "node_crash"), after._replace(joiners=joiners)
