"""A client leaves for good, and takes with it what it had just taken for all clients of its node.

Where the clients of a node take turns to pop what has come for all of them, the one whose turn it
is may be cancelled between the pop and the handing out (docs/field-cases.md, Django Channels).
"""

from collections.abc import Iterator
from typing import ClassVar

from chunk7.faults.fault import DropNext, Leave, Situation, Strike, Wording


class ClientLeavePopping:
    """See above."""

    name = "client_leave_popping"
    effects: ClassVar = {
        "leave_popping": Wording(
            "a client leaves for good, with what it has popped for its node's clients",
            "LEAVES WITH WHAT IT POPPED",
        )
    }
    moves_client = False
    rejoins_client = False
    leaves_client = True

    def strikes(self, situation: Situation) -> Iterator[Strike]:
        """Whoever listens, if there are others."""
        for place, client in enumerate(situation.clients):
            if client.listening and len(situation.clients) > 1:
                actor = f"node{client.node + 1}.join{place + 1}"
                taken = (DropNext(client.node), Leave(place))
                yield Strike(actor, "leave_popping", None, taken)
