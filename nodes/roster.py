"""Which clients are here: those still joining, and those that have joined, by session."""

from collections import defaultdict
from collections.abc import Iterable

from chunk7.nodes.transports.websocket import Client


class Roster:
    """All clients of a node. `everybody` includes those whose join is under way."""

    def __init__(self) -> None:
        self.everybody: set[Client] = set()
        self._joined: defaultdict[str, set[Client]] = defaultdict(set)

    def arrive(self, client: Client) -> None:
        """A connection was accepted."""
        self.everybody.add(client)

    def join(self, client: Client) -> None:
        """Its connect ordering has ended well."""
        self._joined[client.session_id].add(client)

    def leave(self, client: Client) -> None:
        """It is gone, joined or not."""
        self.everybody.discard(client)
        joined = self._joined.get(client.session_id)
        if joined is not None:
            joined.discard(client)
            if not joined:
                del self._joined[client.session_id]

    def sessions(self) -> list[str]:
        """Sessions that have joined clients."""
        return list(self._joined)

    def of(self, session_id: str) -> Iterable[Client]:
        """The session's joined clients."""
        return self._joined.get(session_id, ())

    def joined(self) -> Iterable[Client]:
        """Every joined client."""
        return (client for clients in self._joined.values() for client in clients)
