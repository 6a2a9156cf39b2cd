"""The bug report's schedule for any ordering, and any schedule on a real store beside the model.

The report's chunks 1 to 6 are history when the client comes; the node does what its ordering does
before its `Pause`; chunk 7 is written, whatever that takes; the node does the rest; chunks 8 to 10
are written and delivered.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chunk7.cluster.jobs.stepwise.cell import SteppedCell
from chunk7.delivery.effects import Pause, StreamRead
from chunk7.delivery.errors import Chunk7Error
from chunk7.delivery.ordering import ConnectOrdering
from chunk7.simulator.explore.drawing import Replay, rerun
from chunk7.simulator.explore.schedule import Schedule, Step
from chunk7.simulator.explore.state import ExploreCell, State
from chunk7.simulator.explore.world import World
from chunk7.simulator.virtual.program import dry_join
from chunk7.wire.store.store import Store

HISTORY = 6
LOST = 7
CHUNKS = 10
_MAX_STEPS = 1_000
_UNMODELLED = ("heartbeat", "fetch", "timeout_executed")
"""Answered steps whose answer the model does not keep; what the client makes of it is compared."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one client has of the session's chunks, by their numbers.

    `received` is in order of receipt, `missing` what the reader never saw of what was surely
    written and due to it, `duplicates` what came more than once.
    """

    received: tuple[int, ...]
    missing: tuple[int, ...]
    duplicates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A schedule that was executed on a real store.

    `answers` has what the store answered at each step, None where it was not asked. `replay` is
    the same schedule in memory: the drawing is made of it, after every answer has been compared.
    """

    schedule: Schedule
    replay: Replay
    answers: tuple[Any, ...]
    clients: tuple[Seen, ...]
    receivers: dict[int, int]


def seed_schedule(cell: ExploreCell) -> Schedule:
    """The bug report's schedule for a cell of CHUNKS chunks and one client.

    Raises OrderingError when an ordering breaks the protocol.
    """
    walk = _Walk(World(cell))
    walk.until("producer", lambda state: _writing(state) > HISTORY)
    walk.turns("node1.join1", turns_before_pause(cell.connect))
    walk.until("producer", lambda state: _writing(state) > LOST)
    walk.turns("node1.join1", _MAX_STEPS)
    while walk.take("store", "node1", "client1", "node1.join1") or walk.take("producer"):
        pass
    connect, write = cell.connect.name, cell.write.name
    return Schedule(connect, write, cell.chunks, 1, (), tuple(walk.steps))


def _writing(state: State) -> int:
    return CHUNKS + 1 if state.writing is None else state.writing


def first_join_step(schedule: Schedule) -> int:
    """Where the timeline gets interesting: the index of the first step that is not a producer's."""
    return next((place for place, step in enumerate(schedule.steps) if step.actor != "producer"), 0)


def turns_before_pause(ordering: ConnectOrdering) -> int:
    """How many effects of its own a node performs before its work; all, if there is none."""
    effects = [type(effect) for effect in dry_join(ordering)]
    return effects.index(Pause) if Pause in effects else len(effects)


def _compare(replay: Replay, place: int, answer: Any) -> None:
    """Raise Chunk7Error unless the real store answered as the model does."""
    step = replay.schedule.steps[place]
    if answer is None or step.effect in _UNMODELLED:
        return
    modelled = replay.world.answer(replay.states[place], step)
    if _comparable(answer) != _comparable(modelled):
        raise Chunk7Error(
            f"step {place + 1}, {step.actor} {step.effect}: the real store answers "
            f"{_comparable(answer)}, the model {_comparable(modelled)}"
        )


def _comparable(answer: Any) -> Any:
    """An answer without the session ids of its chunks."""
    if isinstance(answer, StreamRead):
        return [_comparable(answer.chunks), answer.cursor]
    return [chunk.seq for chunk in answer] if isinstance(answer, tuple) else answer


class _Walk:
    """A path through a cell's states, chosen actor by actor."""

    def __init__(self, world: World) -> None:
        self.steps: list[Step] = []
        self._world = world
        self._state = world.initial()

    def take(self, *actors: str) -> bool:
        """One step of the first of these actors that has one; whether there was any."""
        moves = self._world.moves(self._state)
        for actor in actors:
            for step, after in moves:
                if step.actor == actor and len(self.steps) < _MAX_STEPS:
                    self.steps.append(step)
                    self._state = after
                    return True
        return False

    def until(self, actor: str, done: Callable[[State], bool]) -> None:
        """Steps of the actor until the state is as wanted, or it has none."""
        while not done(self._state) and self.take(actor):
            pass

    def turns(self, actor: str, count: int) -> None:
        """That many steps of the actor; the store does what was sent to it as soon as it can."""
        self.take("store")
        while count and self.take(actor):
            count -= 1
            self.take("store")


async def execute(
    cell: ExploreCell,
    schedule: Schedule,
    store: Store,
    url: str,
    session_id: str,
    report: Callable[[Step, Any], None],
) -> Reproduction:
    """Execute a schedule on a real store, a step at a time, and hold it against the model.

    `report` is called after each step with the store's answer. Raises UsageError when a step
    cannot happen where it stands, Chunk7Error when the real store and the model disagree.
    """
    replay = rerun(cell, schedule)
    stepped = SteppedCell(cell, store, url, session_id)
    answers = []
    try:
        for place, step in enumerate(schedule.steps):
            answers.append(await stepped.take(step))
            report(step, answers[-1])
            _compare(replay, place, answers[-1])
    finally:
        await stepped.close()
    for client, (joiner, modelled) in enumerate(
        zip(stepped.clients, replay.outcome.receipts, strict=True), 1
    ):
        if tuple(joiner.receipts) != modelled:
            raise Chunk7Error(
                f"client{client} received {joiner.receipts} from the real store, "
                f"but {list(modelled)} in the model"
            )
    undetermined = replay.states[-1].undetermined
    sure = [n for n in range(1, cell.chunks + 1) if not undetermined >> n & 1]
    not_due = [joiner.excused for joiner in replay.states[-1].joiners]
    clients = tuple(
        Seen(
            received=tuple(joiner.receipts),
            missing=tuple(n for n in sure if n not in joiner.shown and not excused >> n & 1),
            duplicates=tuple(n for n, k in sorted(Counter(joiner.receipts).items()) if k > 1),
        )
        for joiner, excused in zip(stepped.clients, not_due, strict=True)
    )
    return Reproduction(schedule, replay, tuple(answers), clients, stepped.producers.receivers)
