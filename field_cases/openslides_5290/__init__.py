"""OpenSlides #5290: the notice is quicker than the replication."""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    AwaitReplicas,
    Confirmed,
    LookWhenPoked,
    NextSeq,
    Poke,
    ReadHistory,
    Save,
    SendHistory,
    SendWelcome,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.delivery.replica import Replica
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def looks_at_notices(join: Join) -> ConnectSteps:
    """All there is, and what is new at each notice."""
    yield Subscribe()
    yield Confirmed()
    history = yield ReadHistory(join.after_seq)
    yield SendHistory(history)
    yield LookWhenPoked(max([join.after_seq, *(chunk.seq for chunk in history)]))
    yield SendWelcome()


@write_ordering()
def saves_then_notifies(chunk: Chunk) -> WriteSteps:
    """The cache, then the notice."""
    yield Save(chunk.numbered((yield NextSeq())))
    yield Poke()


@write_ordering()
def waits_then_notifies(chunk: Chunk) -> WriteSteps:
    """The same, with a wait for the replicas in between."""
    yield Save(chunk.numbered((yield NextSeq())))
    yield AwaitReplicas()
    yield Poke()


CASE = FieldCase(
    name="openslides_5290",
    title="OpenSlides: the notice is quicker than the replication",
    links=("https://github.com/OpenSlides/OpenSlides/pull/5290",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "workers read at a replica, and are told to look by the primary",
            ExploreCell(looks_at_notices, saves_then_notifies, 2, replica=Replica.HISTORY),
            Failure.LOSSY,
        ),
        variant(
            "as merged",
            "the writer waits for all replicas before it tells them",
            ExploreCell(looks_at_notices, waits_then_notifies, 2, replica=Replica.HISTORY),
        ),
        variant(
            "the other way",
            "a worker reads and listens at the same replica",
            ExploreCell(looks_at_notices, saves_then_notifies, 2, replica=Replica.ALL),
        ),
    ),
)
