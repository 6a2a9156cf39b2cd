"""Somebody trims history and stream down to their newest entry."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import SESSION, State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World

KEEP = 1


class Trim:
    """See above."""

    moves_client = False

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        store, _ = world.stores.after(state.store, "trim", lambda m: m.trim(SESSION, KEEP))
        if store != state.store:
            yield Step("store", "trim"), state._replace(store=store)
