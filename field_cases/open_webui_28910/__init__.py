"""open-webui #28910: a listener that went deaf."""

from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell

SUBSCRIBED_FIRST = CONNECT_ORDERINGS["subscribe_then_history"]
LUA = WRITE_ORDERINGS["atomic_lua"]
CUT = ("store_kill_pubsub",)
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)


CASE = FieldCase(
    name="open_webui_28910",
    title="open-webui: a listener that went deaf, and what it did not hear",
    links=("https://github.com/open-webui/open-webui/pull/28910",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "after its connection was lost nobody subscribes again",
            ExploreCell(SUBSCRIBED_FIRST, LUA, chunks=2, faults=("deaf_node_for_ever",)),
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "as merged",
            "subscribes again; what was published meanwhile is gone",
            ExploreCell(SUBSCRIBED_FIRST, LUA, chunks=2, faults=CUT),
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "mended",
            "and looks into what is stored once it has subscribed again",
            ExploreCell(CONNECT_ORDERINGS["positioned_merge"], LUA, chunks=2, faults=CUT),
        ),
    ),
    live=(
        "chunk7 explore --connect subscribe_then_history --write atomic_lua --chunks 2"
        " --faults deaf_node_for_ever --out build/open_webui",
        "chunk7 reproduce --schedule build/open_webui/*-lossy.json",
    ),
)
