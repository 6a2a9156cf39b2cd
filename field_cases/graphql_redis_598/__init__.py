"""graphql-redis-subscriptions #598: who is not confirmed yet is not counted."""

from chunk7.delivery.node_channel import UNUSED, Asked, NodeChannel
from chunk7.nodes.connect import CONNECT_ORDERINGS
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.simulator.explore.field_case import FieldCase, story_of, variant
from chunk7.simulator.explore.schedule import Failure
from chunk7.simulator.explore.state import ExploreCell


class CountsTheConfirmed(NodeChannel):
    """Listeners are counted once they are confirmed; each that comes before sends its SUBSCRIBE."""

    @property
    def confirmed(self) -> bool:
        """A listener is told so when its own SUBSCRIBE was answered, whoever is listed."""
        return not self.unconfirmed

    def join(self) -> Asked:
        if self.live:
            return self, ()
        return self._replace(wanted=True)._subscribe()

    def leave(self, last: bool) -> Asked:
        """Of those who are confirmed it may be the last, though others are on their way."""
        return super().leave(last or (self.live and self.unconfirmed > 0))

    def confirm(self) -> NodeChannel:
        return self._replace(unconfirmed=self.unconfirmed - 1, live=self.wanted)


def cell(hub: NodeChannel) -> ExploreCell:
    """Two listeners of one process, one of whom may leave."""
    connect = CONNECT_ORDERINGS["subscribe_then_history"]
    write = WRITE_ORDERINGS["atomic_lua"]
    return ExploreCell(connect, write, chunks=2, joiners=2, faults=("client_leave",), hub=hub)


COME_TWICE = (Failure.DUPLICATING, Failure.OUT_OF_ORDER, Failure.REWINDING)

CASE = FieldCase(
    name="graphql_redis_598",
    title="graphql-redis-subscriptions: who is not confirmed yet is not counted",
    links=(
        "https://github.com/davidyaha/graphql-redis-subscriptions/issues/598",
        "https://github.com/davidyaha/graphql-redis-subscriptions/pull/599",
    ),
    story=story_of(__file__),
    variants=(
        variant(
            "as reported",
            "listeners count once they are confirmed; the first leaves, one is on its way",
            cell(CountsTheConfirmed()),
            Failure.LOSSY,
            *COME_TWICE,
        ),
        variant(
            "as merged",
            "listeners count from their coming on; what comes twice is the client's to leave out",
            cell(UNUSED),
            *COME_TWICE,
        ),
    ),
)
