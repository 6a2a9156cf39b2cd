"""What a node does with a client's fetch: the same effects, so every driver can run it."""

from chunk7.delivery.effects import ReadHistory, SendHistory
from chunk7.delivery.ordering import ConnectSteps


def fetch_missing(from_seq: int, to_seq: int) -> ConnectSteps:
    """Answer `fetch {from_seq, to_seq}` (both inclusive) with what history holds of it.

    What is not saved yet is simply not in the answer: the client asks again at the next
    heartbeat that still shows the gap.
    """
    yield SendHistory((yield ReadHistory(after_seq=from_seq - 1, to_seq=to_seq)))
