"""satpulse #267: to have asked for a subscription is not to have one."""

from chunk7.delivery.effects import ReadHistory, SendHistory, SendWelcome, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def asks_and_reads(join: Join) -> ConnectSteps:
    """Asks for the subscription and reads, without waiting for it to be there."""
    yield Subscribe()
    yield SendHistory((yield ReadHistory(join.after_seq)))
    yield SendWelcome()


LUA = WRITE_ORDERINGS["atomic_lua"]
TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)


CASE = FieldCase(
    name="satpulse_267",
    title="satpulse: to have asked for a subscription is not to have one",
    links=("https://github.com/jclark/satpulse/pull/267",),
    story=story_of(__file__),
    variants=(
        variant(
            "as reviewed",
            "asks for the subscription, then reads the state",
            ExploreCell(asks_and_reads, LUA, chunks=2),
            Failure.LOSSY,
            *TWICE,
        ),
        variant(
            "mended",
            "waits until it is registered, then reads",
            ExploreCell(CONNECT_ORDERINGS["subscribe_then_history"], LUA, chunks=2),
            *TWICE,
        ),
    ),
    live=(
        "chunk7 explore --connect field_cases/satpulse_267/__init__.py:asks_and_reads"
        " --write atomic_lua --chunks 1 --out build/satpulse",
        "chunk7 reproduce --schedule build/satpulse/*-lossy.json",
    ),
)
