"""Plan and explorer agree: each of the explorer's schedules is of one planned class, and all of a
class lose the same chunks.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from mutants.unconfirmed_subscribe import unconfirmed_subscribe

from chunk7.delivery.ordering import ClientPolicy, ConnectOrdering, pair
from chunk7.instruments.steer.plan import Orders, SteerEvent, SteerStep, plan
from chunk7.instruments.steer.schedule import from_explored
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.simulator.explore.state import ExploreCell, State
from chunk7.simulator.explore.world import World

READ, SUBSCRIBE, FOLLOW = SteerEvent.READ, SteerEvent.SUBSCRIBE, SteerEvent.FOLLOW
PUBLISH, SAVE = SteerEvent.PUBLISH, SteerEvent.SAVE
WRITE, APPEND = SteerEvent.WRITE, SteerEvent.APPEND
JOIN = {
    "history_then_subscribe": (READ, SUBSCRIBE),
    "subscribe_then_history": (SUBSCRIBE, READ),
    "buffered_merge": (SUBSCRIBE, READ),
    "redis_streams": (READ, FOLLOW),
}
CHUNK: dict[str, tuple[SteerEvent, ...]] = {
    "publish_then_save": (PUBLISH, SAVE),
    "save_then_publish": (SAVE, PUBLISH),
    "atomic_multi": (WRITE,),
    "atomic_lua": (WRITE,),
    "stream_append": (APPEND,),
}
PAIRS = [
    (connect.name, write.name, chunks)
    for connect in CONNECT_ORDERINGS.values()
    for write in WRITE_ORDERINGS.values()
    for chunks in (1, 2)
    if pair(connect, write) and connect.client is not ClientPolicy.FILLS_GAPS
    if connect.recovery is None
    if chunks == 1 or write.name in ("publish_then_save", "atomic_lua", "stream_append")
]
"""Of a client or node that asks again, what it fetches is no read of the join."""


def complete(world: World, state: State, steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Every schedule of a world, one for each order of what steering can hold and each state."""
    seen: set[tuple[State, tuple[SteerStep, ...]]] = set()
    stack = [(state, steps)]
    while stack:
        here, done = stack.pop()
        moves = world.moves(here)
        if not moves:
            yield done
        for step, after in moves:
            key = after, mapped((*done, step))
            if key not in seen:
                seen.add(key)
                stack.append((after, (*done, step)))


def mapped(steps: tuple[Step, ...]) -> tuple[SteerStep, ...]:
    return from_explored(Schedule("", "", 2, 1, (), steps)).steps


@pytest.mark.parametrize(("connect", "write", "chunks"), PAIRS)
def test_every_schedule_of_the_explorer_is_planned_and_each_class_loses_or_keeps_as_one(
    connect: str, write: str, chunks: int
) -> None:
    agree(CONNECT_ORDERINGS[connect], JOIN[connect], {JOIN[connect]}, write, chunks)


@pytest.mark.parametrize("write", ["publish_then_save", "save_then_publish", "atomic_lua"])
def test_who_reads_before_its_subscription_is_confirmed_orders_nothing(write: str) -> None:
    """Its SUBSCRIBE is always sent first, and reading MONITOR calls it safe."""
    agree(unconfirmed_subscribe, (READ, SUBSCRIBE), set(), write, 1)


def agree(
    connect: ConnectOrdering,
    join: tuple[SteerEvent, ...],
    join_keeps: set[tuple[SteerEvent, ...]],
    write: str,
    chunks: int,
) -> None:
    """Explore all, and hold it against the plan."""
    chunk = CHUNK[write]
    kept = join_keeps | ({chunk} if len(chunk) > 1 else set())
    planned = plan(join, kept, chunk, kept, chunks=chunks)  # type: ignore[arg-type]
    feasible = [one.schedule.steps for one in planned if one.infeasible is None]
    orders = Orders(feasible[0], kept)  # type: ignore[arg-type]
    known = {orders.first([*map(feasible[0].index, steps)]) for steps in feasible}
    world = World(ExploreCell(connect, WRITE_ORDERINGS[write], chunks))
    lost = defaultdict(set)
    for steps in complete(world, world.initial(), ()):
        state = world.initial()
        for step in steps:
            state = next(after for taken, after in world.moves(state) if taken == step)
        order = orders.first([*map(feasible[0].index, mapped(steps))])
        lost[order].add(world.outcome(state).lost)
    assert lost.keys() == known
    assert all(len(outcomes) == 1 for outcomes in lost.values())
