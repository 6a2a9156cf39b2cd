"""One client among any number of others at its node: a small world that speaks for a wide one.

Of all that others do, a client notices one thing only, as long as nobody leaves and nothing fails:
that the node may have subscribed to the session before its own join asks for it. What they read,
are sent, fetch and show is their own. So in a world of one client, with company, one more event is
possible: `node1.join2 subscribe`, at any moment and once, or never. Whatever happens to the client
among others happens here, and the others are like it: lossless here is lossless for any number.
(Cone of influence reduction: E. Clarke, O. Grumberg, D. Peled, "Model Checking", 1999, chapter 13.)
"""

from dataclasses import replace

from chunk7.delivery.effects import Subscribe
from chunk7.delivery.errors import UsageError
from chunk7.simulator.explore.coverage import named_effects
from chunk7.simulator.explore.naming import join_name
from chunk7.simulator.explore.programs import ENDED
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.simulator.explore.state import ExploreCell, Move, State
from chunk7.simulator.explore.world import World

OTHER = join_name(0, 1)
ANY = 0
"""As a number of joiners: one, and any number of others."""
_OWN = frozenset(
    {
        *("subscribe", "confirmed", "read_history", "read_head", "read_stream", "follow"),
        *("send_history", "send_welcome", "release", "read_tail", "release_after"),
        *("read_status", "send_end", "send_control"),
    }
)
"""Effects of which others notice nothing, but for `subscribe`."""


def without_company(cell: ExploreCell) -> str | None:
    """Why one client cannot speak for all of this cell; None if it can."""
    if cell.faults:
        return "faults may strike"
    if cell.connect.recovery is not None:
        return "a node that recovers subscribes again, which its other clients notice"
    others = ", ".join(sorted(named_effects(cell.connect.steps) - _OWN))
    return f"others may notice {others}" if others else None


def in_company(cell: ExploreCell) -> ExploreCell:
    """One client of the cell, among any number. Raises UsageError where it cannot speak for all."""
    reason = without_company(cell)
    if reason is not None:
        raise UsageError(f"--joiners any: {cell.connect.name}: {reason}; explore two clients")
    return replace(cell, joiners=1, company=True)


def of_two(cell: ExploreCell, schedule: Schedule) -> Schedule | None:
    """A schedule of one in company as one of two clients, if the other subscribes in it.

    None if the other cannot come to subscribe as it does there: then no two clients have it.
    """
    if all(step.actor != OTHER for step in schedule.steps):
        return schedule
    world = World(replace(cell, chunks=schedule.chunks, joiners=2, company=False))
    state, steps = world.initial(), list[Step]()

    def take(move: Move) -> State:
        steps.append(move[0])
        return move[1]

    for step in schedule.steps:
        while step.actor == OTHER and not _subscribes(world, state):
            own = [move for move in world.moves(state) if move[0].actor == OTHER]
            if not own:
                return None
            state = take(own[0])
        state = take(next(move for move in world.moves(state) if move[0] == step))
    while moves := world.moves(state):
        state = take(moves[0])
    return replace(schedule, joiners=2, steps=tuple(steps))


def _subscribes(world: World, state: State) -> bool:
    """Whether that is what the other's join asks for now."""
    program = state.joiners[1].program
    return program != ENDED and type(world.programs.effect(program)) is Subscribe
