"""django/channels #1683: who leaves takes the next message along, for all."""

from chunk7.delivery.contract import Contract
from chunk7.delivery.effects import Confirmed, SendWelcome, Subscribe
from chunk7.delivery.ordering import ConnectSteps, Join, connect_ordering
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


@connect_ordering()
def joins_the_group(_join: Join) -> ConnectSteps:
    """A group has no history: who has joined gets what comes from then on."""
    yield Subscribe()
    yield Confirmed()
    yield SendWelcome()


SENDS = WRITE_ORDERINGS["atomic_lua"]


def of_two(*faults: str) -> ExploreCell:
    """Two clients of one process; messages are due from the welcome on."""
    return ExploreCell(
        joins_the_group,
        SENDS,
        chunks=2,
        joiners=2,
        faults=faults,
        contract=Contract.FROM_WELCOME,
    )


CASE = FieldCase(
    name="channels_1683",
    title="channels: who leaves takes the next message along, for all",
    links=(
        "https://github.com/django/channels/issues/1683",
        "https://github.com/django/channels_redis/issues/245",
        "https://github.com/django/channels_redis/pull/251",
        "https://github.com/django/channels_redis/issues/256",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "clients of a process pop for one another, and one leaves with what it has popped",
            of_two("client_leave_popping"),
            Failure.LOSSY,
        ),
        variant(
            "as merged",
            "one reader a process pops, and clients leave",
            of_two("client_leave"),
        ),
        variant(
            "as merged, and its connection is lost",
            "it subscribes again, and nobody looks at what was sent meanwhile",
            of_two("store_kill_pubsub"),
            Failure.LOSSY,
        ),
        variant(
            "mended",
            "the node keeps a position, and looks into a history",
            ExploreCell(
                CONNECT_ORDERINGS["positioned_merge"],
                SENDS,
                chunks=1,
                joiners=2,
                faults=("client_leave_popping",),
            ),
        ),
    ),
)
