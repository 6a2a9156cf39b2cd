"""A session's keys on a real store, as a failover, an eviction or a lagging replica leaves them.

What they were is kept in keys of other sessions, which COPY makes and nobody else knows.
"""

from itertools import pairwise

from chunk7.delivery.chunk import history_key, seq_key, stream_key
from chunk7.delivery.store import Key
from chunk7.wire.store.store import Store

KEYS = {Key.HISTORY: history_key, Key.STREAM: stream_key, Key.COUNTER: seq_key}


class SessionKeys:
    """The keys of one session. `roll_back` will be asked for `undone` commands at most."""

    def __init__(self, store: Store, session_id: str, undone: int) -> None:
        self._store = store
        self._session_id = session_id
        self._before = [f"{session_id}-before{n}" for n in range(1, undone + 1)]
        self._stale_id = f"{session_id}-stale"
        self._stale: tuple[int, int] | None = None

    async def changing(self) -> None:
        """Before a command that changes keys."""
        for newer, older in reversed([*pairwise(self._before)]):
            await self._copy(newer, older)
        for latest in self._before[:1]:
            await self._copy(self._session_id, latest)

    async def roll_back(self, commands: int) -> None:
        """As before the last such commands; what came before those is now as near as they were."""
        oldest = len(self._before) - 1
        for place, name in enumerate(self._before if commands > 1 else ()):
            await self._copy(self._before[min(place + commands - 1, oldest)], name)
        await self._copy(self._before[0], self._session_id)

    async def forget(self, key: Key | None = None) -> None:
        """One of the keys is gone, or all."""
        names = KEYS.values() if key is None else [KEYS[key]]
        await self._store.link.send("DEL", *(name(self._session_id) for name in names))

    async def trim(self, max_entries: int) -> None:
        """Only the newest entries of history and stream stay."""
        link, session_id = self._store.link, self._session_id
        await link.send("LTRIM", history_key(session_id), -max_entries, -1)
        await link.send("XTRIM", stream_key(session_id), "MAXLEN", "=", max_entries)

    async def keep_stale(self, node: int, writing: int) -> None:
        """The node's next read is answered as of now, if it comes within a chunk."""
        await self._copy(self._session_id, self._stale_id)
        self._stale = node, writing

    def read_from(self, node: int, writing: int) -> str:
        """The session that a read of this node sees now."""
        if self._stale is None or self._stale[0] != node:
            return self._session_id
        (_, since), self._stale = self._stale, None
        return self._stale_id if writing <= since + 1 else self._session_id

    async def _copy(self, source: str, target: str) -> None:
        if source == target:
            return
        for key in KEYS.values():
            await self._store.link.send("DEL", key(target))
            await self._store.link.send("COPY", key(source), key(target))
