"""The connect orderings, one file each. To add one: write the file, name it here."""

from chunk7.delivery.ordering import ConnectOrdering
from chunk7.nodes.connect.buffered_merge import buffered_merge
from chunk7.nodes.connect.history_then_subscribe import history_then_subscribe
from chunk7.nodes.connect.positioned_merge import positioned_merge
from chunk7.nodes.connect.redis_streams import redis_streams
from chunk7.nodes.connect.sequence_gap_fill import sequence_gap_fill
from chunk7.nodes.connect.subscribe_then_history import subscribe_then_history

CONNECT_ORDERINGS: dict[str, ConnectOrdering] = {
    "history_then_subscribe": history_then_subscribe,
    "subscribe_then_history": subscribe_then_history,
    "redis_streams": redis_streams,
    "sequence_gap_fill": sequence_gap_fill,
    "buffered_merge": buffered_merge,
    "positioned_merge": positioned_merge,
}
