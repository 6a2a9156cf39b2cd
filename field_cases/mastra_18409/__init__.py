"""mastra #18148 and #18409: live events come in between those that are replayed."""

from chunk7.delivery.chunk import Chunk
from chunk7.delivery.effects import (
    Confirmed,
    NextSeq,
    Publish,
    ReadHistory,
    Save,
    SendHistory,
    SendWelcome,
    Sink,
    Subscribe,
)
from chunk7.delivery.ordering import (
    ConnectSteps,
    Join,
    WriteSteps,
    connect_ordering,
    write_ordering,
)
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


@write_ordering()
def cached_by_two_layers(chunk: Chunk) -> WriteSteps:
    """Each layer takes a number and saves, and the inner one publishes."""
    yield Save(chunk.numbered((yield NextSeq())))
    chunk = chunk.numbered((yield NextSeq()))
    yield Save(chunk)
    yield Publish(chunk)


MERGE = CONNECT_ORDERINGS["buffered_merge"]
SAVED_FIRST = WRITE_ORDERINGS["save_then_publish"]


CASE = FieldCase(
    name="mastra_18409",
    title="mastra: live events come in between those that are replayed",
    links=(
        "https://github.com/mastra-ai/mastra/issues/18148",
        "https://github.com/mastra-ai/mastra/pull/18191",
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
            "as reported before",
            "the cache is there twice, one around the other: each event is in it twice",
            ExploreCell(MERGE, cached_by_two_layers, chunks=2),
            Failure.DUPLICATING,
        ),
        variant(
            "as merged",
            "live events are held until the cached ones are through, and known ones left out",
            ExploreCell(MERGE, SAVED_FIRST, chunks=2),
        ),
        variant(
            "as merged, but published before it is cached",
            "the same observer with a producer that does it the other way round",
            ExploreCell(MERGE, WRITE_ORDERINGS["publish_then_save"], chunks=2),
            Failure.LOSSY,
        ),
    ),
)
