"""The names of what can have happened to a chunk, and why."""

from enum import StrEnum


class Verdict(StrEnum):
    """What one connection saw of one chunk. `docs/verdicts.md` has the rules."""

    DELIVERED = "delivered"
    """Received at least once, as published."""
    LOST = "lost"
    """Published while the client was there, and never received by it."""
    DUPLICATE = "duplicate"
    """Received again: each receipt after the first counts one."""
    OUT_OF_ORDER = "out_of_order"
    """First received after a chunk with a higher sequence number."""
    UNEXPECTED = "unexpected"
    """Received, but never published, or not with this content."""
    UNDETERMINED = "undetermined"
    """Cannot be known: the client left too soon, or the producer's write has no known outcome."""


class Cause(StrEnum):
    """Why a chunk was lost."""

    HANDOVER_GAP = "handover_gap"
    """Published after the history was read and before the subscription took effect."""
    SAVE_LAG = "save_lag"
    """Published before the history was read, saved after it, and not yet subscribed."""
    UNCONFIRMED_SUBSCRIBE = "unconfirmed_subscribe"
    """SUBSCRIBE was sent before the read but took effect after it."""
    STORE_RECONNECT = "store_reconnect"
    """Published while the node had no connection to the store."""
    STORE_REPLACED = "store_replaced"
    """Another server took the store's place: it lacked the chunk, or gave its number out again."""
    DEAF_NODE = "deaf_node"
    """Published while the node was subscribed, heard nothing, and noticed nothing."""
    STALE_READ = "stale_read"
    """Saved before the history was read, and not in it: whoever answered lagged behind."""
    SLOW_CLIENT = "slow_client"
    """The node closed the connection because the client did not keep up."""
    TRIMMED = "trimmed"
    """Already gone from the history or stream when it was read."""
    TAIL = "tail"
    """Last of the session: nothing that came later could reveal the hole."""
    NODE_GONE = "node_gone"
    """The node died or drained while the client still wanted chunks."""
    UNKNOWN = "unknown"
    """None of the above fits what was recorded."""
