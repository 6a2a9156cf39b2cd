"""The slow, obvious explorer that the fast one is held against, and orderings to hold it with."""

from collections import Counter
from collections.abc import Callable
from functools import cache

from hypothesis import strategies as st

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Confirmed,
    NextSeq,
    NumberSaveAndPublish,
    Publish,
    ReadHead,
    ReadHistory,
    Release,
    Save,
    SaveAndPublish,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ClientPolicy,
    ConnectOrdering,
    ConnectSteps,
    Join,
    WriteOrdering,
    WriteSteps,
    pair,
)
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.schedule import Failure, Step
from chunk7.simulator.explore.search import failures
from chunk7.simulator.explore.state import Move, State
from chunk7.simulator.explore.world import World

PAIRS = [
    (connect, write)
    for connect in CONNECT_ORDERINGS.values()
    for write in WRITE_ORDERINGS.values()
    if pair(connect, write)
]
PAIR_NAMES = [f"{connect.name}-{write.name}" for connect, write in PAIRS]


def every_schedule(world: World, visit: Callable[[tuple[Step, ...], State], None]) -> None:
    """Walk the whole tree of schedules. Only what may follow a state is asked of the world once,
    for that is a function of the state. How many schedules lead on from it is found out each time.
    """

    @cache
    def following(state: State) -> tuple[bool, tuple[Move, ...]]:
        moves = world.moves(state)
        return not moves, (*moves, *world.optional_moves(state))

    def descend(state: State, steps: tuple[Step, ...]) -> None:
        complete, moves = following(state)
        if complete:
            visit(steps, state)
        for step, after in moves:
            descend(after, (*steps, step))

    descend(world.initial(), ())


def counts(world: World) -> tuple[int, ...]:
    """Schedules, and how many fail in each way, in the order of `Failure`; by walking them all."""
    ends: Counter[State] = Counter()

    def visit(_steps: tuple[Step, ...], state: State) -> None:
        ends[state] += 1

    every_schedule(world, visit)
    total = [0] * (1 + len(Failure))
    for state, times in ends.items():
        for place, holds in enumerate((True, *failures(world.outcome(state)).values())):
            total[place] += times * holds
    return tuple(total)


# --- toy orderings -----------------------------------------------------------------------------


def toy_connect(words: list[str], client: ClientPolicy) -> ConnectOrdering:
    """An ordering that does these things in this order, sensible or not."""

    def steps(join: Join) -> ConnectSteps:
        history: tuple[Chunk, ...] = ()
        head = None
        for word in words:
            match word:
                case "subscribe":
                    yield Subscribe()
                case "buffer":
                    yield Subscribe(Sink.BUFFER)
                case "confirmed":
                    yield Confirmed()
                case "read":
                    history = yield ReadHistory(join.after_seq)
                case "head":
                    head = yield ReadHead()
                case "send":
                    yield SendHistory(history)
                case "release":
                    yield Release(frozenset(chunk.seq for chunk in history))
                case "welcome":
                    yield SendWelcome(head)

    return ConnectOrdering("toy", steps, client=client)


def toy_write(words: list[str]) -> WriteOrdering:
    """The same for a producer."""

    def steps(chunk: Chunk) -> WriteSteps:
        for word in words:
            match word:
                case "number":
                    chunk = chunk.numbered((yield NextSeq()))
                case "publish":
                    yield Publish(chunk)
                case "save":
                    yield Save(chunk)
                case "both":
                    yield SaveAndPublish(chunk)
                case "lua":
                    yield NumberSaveAndPublish(chunk)

    return WriteOrdering("toy", steps)


def _sound(words: list[str]) -> bool:
    """At most one subscription, and a release only of a buffer that is there."""
    subscriptions = words.count("subscribe") + words.count("buffer")
    if "release" not in words:
        return subscriptions <= 1
    buffered = "buffer" in words and words.index("buffer") < words.index("release")
    return subscriptions == 1 and buffered and words.count("release") == 1


CONNECT_WORDS = ["subscribe", "buffer", "confirmed", "read", "head", "send", "release", "welcome"]
toy_connects = st.builds(
    toy_connect,
    st.lists(st.sampled_from(CONNECT_WORDS), max_size=5).filter(_sound),
    st.sampled_from([ClientPolicy.TAKES_ALL, ClientPolicy.DEDUPLICATES]),
)
toy_writes = st.builds(
    toy_write,
    st.sampled_from(
        [
            ["number", "publish", "save"],
            ["number", "save", "publish"],
            ["number", "both"],
            ["lua"],
            ["lua", "publish"],
            ["number", "save"],
            ["number"],
            [],
        ]
    ),
)
