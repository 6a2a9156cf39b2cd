"""A node's next read comes from a replica that is behind, by any number of chunks."""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Lag, Situation, Strike, Wording


class StaleReadAny:
    """See above; `stale_read` is behind by one chunk at most."""

    name = "stale_read_any"
    effects: ClassVar = {
        "stale_read_any": Wording(
            "the next read of a join or fetch at the node is answered as of now, however late",
            "WILL READ what is there now",
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node, while something is being written that its read can lack."""
        if not situation.writes:
            return
        for node in sorted({client.node for client in situation.clients}):
            yield Strike(f"node{node + 1}", "stale_read_any", None, (Lag(node, most_chunks=None),))
