"""How fast `chunk7 explore` is: the default matrix, two clients, and everything without pruning.

    python -m benchmarks.explore

Prints the rows of benchmarks/explore.md. One process, one core.
"""

import time
from dataclasses import dataclass

from chunk7.delivery.ordering import pair
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.search import SearchLimits, explore
from chunk7.simulator.explore.state import ExploreCell, State
from chunk7.simulator.explore.world import World

FIVE = ("node_kill", "store_restart", "store_kill_pubsub", "trim", "stale_read")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `steps` are events executed, `schedules` what they cover."""

    name: str
    cells: int
    steps: int
    schedules: int
    seconds: float

    def __str__(self) -> str:
        rate = self.steps / self.seconds
        return (
            f"| {self.name} | {self.cells} | {self.schedules:.3g} | {self.steps:,} "
            f"| {self.seconds:.2f} | {rate:,.0f} |"
        )


def matrix(name: str, **options: object) -> Row:
    """All cells that pair, under the same options."""
    cells = [
        ExploreCell(connect, write, **options)  # type: ignore[arg-type]
        for connect in CONNECT_ORDERINGS.values()
        for write in WRITE_ORDERINGS.values()
        if pair(connect, write)
    ]
    began = time.process_time()
    found = [explore(cell, SearchLimits(max_schedules=10**9, max_seconds=3_600)) for cell in cells]
    seconds = time.process_time() - began
    assert all(result.search.complete for result in found)
    steps = sum(result.transitions for result in found)
    schedules = sum(result.search.tally.schedules for result in found)
    return Row(name, len(cells), steps, schedules, seconds)


def unpruned(connect: str, write: str) -> Row:
    """The same moves, remembering no state: what pruning is worth."""
    world = World(ExploreCell(CONNECT_ORDERINGS[connect], WRITE_ORDERINGS[write]))
    steps = schedules = 0
    began = time.process_time()
    stack: list[State] = [world.initial()]
    while stack:
        moves = world.moves(stack.pop())
        steps += len(moves)
        schedules += not moves
        stack += [after for _, after in moves]
    return Row(f"{connect} x {write}, unpruned", 1, steps, schedules, time.process_time() - began)


def main() -> None:
    """Measure and print."""
    print("| what | cells | schedules | steps | seconds | steps/s |")
    print("|---|---|---|---|---|---|")
    print(matrix("default matrix, 3 chunks, 1 client"))
    print(matrix("3 chunks, 1 client, store_kill_pubsub may strike", faults=("store_kill_pubsub",)))
    print(
        matrix(
            "1 chunk, 1 client, all five faults may strike",
            chunks=1,
            faults=("node_kill", "store_restart", "store_kill_pubsub", "trim", "stale_read"),
        )
    )
    print(matrix("2 chunks, 2 clients, no early heartbeat", chunks=2, joiners=2, early_beats=0))
    print(unpruned("buffered_merge", "atomic_multi"))


if __name__ == "__main__":
    main()
