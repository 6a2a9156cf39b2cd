"""jac #7487, #7489, #7615: a stream that the store throws away."""

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell

STREAMS = CONNECT_ORDERINGS["redis_streams"]
APPEND = WRITE_ORDERINGS["stream_append"]


CASE = FieldCase(
    name="jac_7487",
    title="jac: a stream that the store throws away heals, and its events do not come back",
    links=(
        "https://github.com/jaseci-labs/jac/issues/7487",
        "https://github.com/jaseci-labs/jac/pull/7489",
        "https://github.com/jaseci-labs/jac/issues/7615",
        "https://github.com/jaseci-labs/jac/pull/7696",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as merged",
            "the reader goes on with the new stream of that name",
            ExploreCell(STREAMS, APPEND, chunks=2, faults=("evict",)),
            Failure.LOSSY,
        ),
        variant(
            "as proposed after it",
            "streams are not evicted, but bounded in length (here to one entry)",
            ExploreCell(STREAMS, APPEND, chunks=2, stream_max_entries=1),
            Failure.LOSSY,
        ),
        variant(
            "mended",
            "nothing is evicted, and the bound is longer than any answer",
            ExploreCell(STREAMS, APPEND, chunks=2),
        ),
    ),
    live=(
        "chunk7 explore --connect redis_streams --write stream_append --chunks 2 --faults"
        " evict --out build/jac",
        "chunk7 reproduce --schedule build/jac/*-lossy.json",
    ),
)
