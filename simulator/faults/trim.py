"""Somebody trims history and stream down to their newest entry."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.explore_state import SESSION, State
from simulator.schedule import Step

if TYPE_CHECKING:  # the rules import the faults
    from simulator.explore_world import World

KEEP = 1


class Trim:
    """See above."""

    moves_client = False

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        store, _ = world.stores.after(state.store, "trim", lambda m: m.trim(SESSION, KEEP))
        if store != state.store:
            yield Step("store", "trim"), state._replace(store=store)
