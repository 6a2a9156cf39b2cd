"""deer-flow #4011: a cursor that is none makes all come again, then nothing."""

from chunk7.delivery.effects import BEGINNING, NEWEST, Follow, SendWelcome
from chunk7.delivery.ordering import ConnectSteps, Feed, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering(feed=Feed.STREAM)
def all_again(join: Join) -> ConnectSteps:
    """The store refuses the cursor `-1`, and the fallback is the beginning."""
    yield Follow(BEGINNING)
    yield SendWelcome()


@connect_ordering(feed=Feed.STREAM)
def only_what_is_new(join: Join) -> ConnectSteps:
    """A cursor that is none is `$`: who comes again is given what is written from now on."""
    yield Follow(NEWEST if join.after_seq else BEGINNING)
    yield SendWelcome()


APPEND = WRITE_ORDERINGS["stream_append"]
AGAIN = ("client_reconnect_storm",)


CASE = FieldCase(
    name="deer_flow_4011",
    title="deer-flow: a cursor that is none makes everything come again, and then nothing",
    links=(
        "https://github.com/bytedance/deer-flow/issues/4011",
        "https://github.com/bytedance/deer-flow/pull/4012",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "a cursor that the store refuses is taken for the beginning",
            ExploreCell(all_again, APPEND, chunks=2, faults=AGAIN),
            Failure.DUPLICATING,
            Failure.REWINDING,
        ),
        variant(
            "as merged",
            "it is taken for `$`",
            ExploreCell(only_what_is_new, APPEND, chunks=2, faults=AGAIN),
            Failure.LOSSY,
        ),
        variant(
            "mended",
            "the client keeps a cursor, and resumes after it",
            ExploreCell(CONNECT_ORDERINGS["redis_streams"], APPEND, chunks=2, faults=AGAIN),
        ),
    ),
    live=(
        "chunk7 explore --connect field_cases/deer_flow_4011/__init__.py:only_what_is_new"
        " --write stream_append --chunks 2 --faults client_reconnect_storm --out"
        " build/deer_flow",
        "chunk7 reproduce --schedule build/deer_flow/*-lossy.json",
    ),
)
