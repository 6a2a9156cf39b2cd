"""What a fault is: states in which it may strike, and what is left then."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from chunk7.simulator.explore.schedule import Step
from chunk7.simulator.explore.state import State

if TYPE_CHECKING:  # the rules import the faults
    from chunk7.simulator.explore.world import World


class Fault(Protocol):
    """One kind of trouble."""

    moves_client: bool
    """Whether clients go to the next node, which then has to exist."""

    def moves(self, world: "World", state: State) -> Iterator[tuple[Step, State]]:
        """Every way in which it can strike now; `state` no longer has it to come."""
