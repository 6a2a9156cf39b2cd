"""ask-o11y #46: a snapshot and a subscription that overlap."""

from chunk7.delivery.effects import Confirmed, ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def subscribe_and_snapshot(join: Join) -> ConnectSteps:
    """Subscribes, then takes a snapshot, and gives both to a client that shows whatever comes."""
    yield Subscribe()
    yield Confirmed()
    yield SendHistory((yield ReadHistory(join.after_seq)))
    yield SendWelcome()


SAVED_FIRST = WRITE_ORDERINGS["save_then_publish"]
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)


CASE = FieldCase(
    name="ask_o11y_46",
    title="ask-o11y: what is safe under a lock in memory is not with Redis",
    links=("https://github.com/Consensys/ask-o11y-plugin/pull/46",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "subscribes and takes a snapshot, two steps",
            ExploreCell(subscribe_and_snapshot, SAVED_FIRST, chunks=2),
            *TWICE,
        ),
        variant(
            "with one step for the producer",
            "saves and publishes in one transaction: not enough",
            ExploreCell(subscribe_and_snapshot, WRITE_ORDERINGS["atomic_multi"], chunks=2),
            *TWICE,
        ),
        variant(
            "mended",
            "holds what comes live, and leaves out what the snapshot had",
            ExploreCell(CONNECT_ORDERINGS["buffered_merge"], SAVED_FIRST, chunks=2),
        ),
    ),
)
