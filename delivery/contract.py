"""What a client is owed: which chunks of a session it expects, and which it must not be shown."""

from enum import StrEnum


class Contract(StrEnum):
    """Which chunks are due to a client. Those that are not may be shown, but for `from-message`."""

    WHOLE = "whole"
    """Every chunk of the session, whenever the client joins."""
    FROM_WELCOME = "from-welcome"
    """Every chunk whose write begins after the client's first welcome; older ones are a gift."""
    FROM_MESSAGE = "from-message"
    """The message that is being written when the client first joins, whole, and all after it. The
    join is told which (`Join.message_id`); to be shown a chunk of an earlier one is wrong."""
