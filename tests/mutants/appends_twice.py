"""Each chunk is appended twice, so that a failover which lacks the last write does no harm.

It lacks the last write, or the last two. More copies are no cure, only dearer: the producer has to
wait until a replica has what it wrote (`WAIT`).

    producer: append 1, append 1
    store: fails over, without the last two writes
    node: follow from the beginning     nothing
"""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import BEGINNING, Append, Follow, SendWelcome
from chunk7.delivery.ordering import (
    ConnectSteps,
    Feed,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
from chunk7.faults.fault import MAX_ROLL_BACK
from mutants.mutant import Failure, Mutant, schedule


@connect_ordering(feed=Feed.STREAM)
def from_the_beginning(join: Join) -> ConnectSteps:
    yield Follow(BEGINNING)
    yield SendWelcome()


@write_ordering(feed=Feed.STREAM)
def appends_twice(chunk: Chunk) -> WriteSteps:
    yield Append(chunk)
    yield Append(chunk)


@write_ordering(feed=Feed.STREAM)
def appends_more_often_than_is_lost(chunk: Chunk) -> WriteSteps:
    for _ in range(MAX_ROLL_BACK + 1):
        yield Append(chunk)


MUTANT = Mutant(
    connect=from_the_beginning,
    write=appends_twice,
    sound=(from_the_beginning, appends_more_often_than_is_lost),
    fails=Failure.LOSSY,
    faults=("store_failover_behind",),
    only=True,
    shortest=schedule(
        """
        producer append 1
        producer append 1
        store failover_2_behind
        node1.join1 follow
        node1.join1 send_welcome
        """
    ),
)
