"""A node closes a client's connection, because its outbox is full. The client joins again.

It joins at the next node, as behind a round robin. The node gives up its subscription when the
client was the last that used it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import UNSUBSCRIBED, State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World


class SlowClient:
    """See above."""

    moves_client = True

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        for place, joiner in enumerate(state.joiners):
            if world.programs.is_root(joiner.program):
                continue
            joiners = list(state.joiners)
            joiners[place] = world.rejoin(joiner, joiner.node + 1)
            after = state._replace(joiners=tuple(joiners))
            if not any(other.node == joiner.node and other.route for other in joiners):
                after = world.disconnect(after, joiner.node, UNSUBSCRIBED)
            yield Step(f"node{joiner.node + 1}.join{place + 1}", "slow_client"), after
