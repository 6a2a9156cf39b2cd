"""mastra #18148 and #18409: live events come in between those that are replayed."""

from chunk7.delivery.effects import (
    Confirmed,
    ReadHistory,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def live_while_it_replays(join: Join) -> ConnectSteps:
    """Live events go to the observer from the subscription on, the cached ones when read."""
    yield Subscribe(Sink.CLIENT)
    yield Confirmed()
    yield SendHistory((yield ReadHistory(join.after_seq)))
    yield SendWelcome()


SAVED_FIRST = WRITE_ORDERINGS["save_then_publish"]


CASE = FieldCase(
    name="mastra_18409",
    title="mastra: live events come in between those that are replayed",
    links=(
        "https://github.com/mastra-ai/mastra/issues/18148",
        "https://github.com/mastra-ai/mastra/issues/18409",
        "https://github.com/mastra-ai/mastra/pull/18479",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "live events are passed on while the cached ones are replayed",
            ExploreCell(live_while_it_replays, SAVED_FIRST, chunks=2),
            Failure.DUPLICATING,
            Failure.OUT_OF_ORDER,
            Failure.REWINDING,
        ),
        variant(
            "as merged",
            "live events are held until the cached ones are through, and known ones left out",
            ExploreCell(CONNECT_ORDERINGS["buffered_merge"], SAVED_FIRST, chunks=2),
        ),
        variant(
            "as merged, but published before it is cached",
            "the same observer with a producer that does it the other way round",
            ExploreCell(
                CONNECT_ORDERINGS["buffered_merge"], WRITE_ORDERINGS["publish_then_save"], chunks=2
            ),
            Failure.LOSSY,
        ),
    ),
)
