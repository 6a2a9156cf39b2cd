"""Which of a session's traffic a replica of the store serves, instead of the primary."""

from enum import StrEnum


class Replica(StrEnum):
    """A replica does the primary's commands in their order, any time later."""

    HISTORY = "history"
    """Nodes read there: history, head, stream. Pub/Sub is on the primary."""
    ALL = "all"
    """Nodes read and subscribe there: a publication reaches them when the replica does it."""
