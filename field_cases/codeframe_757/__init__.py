"""codeframe #757: the run is over, and its last event has passed by."""

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell

READ_FIRST = CONNECT_ORDERINGS["history_then_subscribe"]
SUBSCRIBE_FIRST = CONNECT_ORDERINGS["subscribe_then_history"]
PUBLISH_FIRST = WRITE_ORDERINGS["publish_then_save"]
SAVE_FIRST = WRITE_ORDERINGS["save_then_publish"]
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)

CASE = FieldCase(
    name="codeframe_757",
    title="codeframe: the run is over, and its last event has passed by",
    links=(
        "https://github.com/frankbria/codeframe/issues/757",
        "https://github.com/frankbria/codeframe/pull/841",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "asks whether the run is over, then subscribes",
            ExploreCell(READ_FIRST, PUBLISH_FIRST, chunks=2),
            Failure.LOSSY,
        ),
        variant(
            "as merged",
            "subscribes, then asks; the agent still publishes before it stores",
            ExploreCell(SUBSCRIBE_FIRST, PUBLISH_FIRST, chunks=2),
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "mended",
            "and the agent stores before it publishes; what comes twice is harmless here",
            ExploreCell(SUBSCRIBE_FIRST, SAVE_FIRST, chunks=2),
            *TWICE,
        ),
    ),
    live=(
        "chunk7 explore --connect history_then_subscribe --write publish_then_save"
        " --chunks 2 --out build/codeframe",
        "chunk7 reproduce --schedule build/codeframe/*-lossy.json",
    ),
)
