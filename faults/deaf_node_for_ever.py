"""A node hears nothing from some moment on, whatever it subscribes to, and nobody tells it.

SUBSCRIBE is confirmed as ever, but nothing published reaches the node: no new one mends it, as it
does with `deaf_node`. Such is a worker whose listener has died while its process serves on.
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import Deafen, Situation, Strike, Wording


class DeafNodeForEver:
    """See above. Live it is `deaf_node` with `for=` the rest of the cell."""

    name = "deaf_node_for_ever"
    effects: ClassVar = {
        "deaf_for_ever": Wording(
            "the node hears nothing from now on, whatever it subscribes to", "GOES DEAF for ever"
        )
    }
    moves_client = False
    rejoins_client = False

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Each node that has clients, or to which they are about to come."""
        for node in sorted({client.node for client in situation.clients}):
            yield Strike(f"node{node + 1}", "deaf_for_ever", None, (Deafen(node, for_ever=True),))
