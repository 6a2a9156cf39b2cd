"""The reply to one of the producer's commands never comes; it gives the chunk up and goes on.

The command was executed or it was not, and the producer cannot know. The shipped producers do
not try again. So the chunk has no known outcome and does not count as lost if nobody gets it;
later chunks do.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World


class ProducerTimeout:
    """See above."""

    moves_client = False

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        if state.writing > world.cell.chunks:
            return
        chunk = state.writing
        given_up = world.give_up(state)
        yield Step("producer", "timeout_not_executed", chunk), given_up
        store = world.writes(state)[0]
        yield Step("producer", "timeout_executed", chunk), given_up._replace(store=store)
