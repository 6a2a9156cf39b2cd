"""A session's keys on a real store, as a failover, an eviction or a lagging replica leaves them.

What they were is kept in keys of other sessions, which COPY makes and nobody else knows.
"""

from chunk7.delivery.chunk import history_key, seq_key, stream_key
from chunk7.wire.store.store import Store

KEYS = (history_key, stream_key, seq_key)


class SessionKeys:
    """The keys of one session. `keeps_before`: `roll_back` will be asked for."""

    def __init__(self, store: Store, session_id: str, keeps_before: bool) -> None:
        self._store = store
        self._session_id = session_id
        self._before = f"{session_id}-before" if keeps_before else None
        self._stale_id = f"{session_id}-stale"
        self._stale: tuple[int, int] | None = None

    async def changing(self) -> None:
        """Before a command that changes keys."""
        if self._before is not None:
            await self._copy(self._session_id, self._before)

    async def roll_back(self) -> None:
        """As before the last such command."""
        if self._before is not None:
            await self._copy(self._before, self._session_id)

    async def forget(self) -> None:
        """The keys are gone."""
        await self._store.link.send("DEL", *(key(self._session_id) for key in KEYS))

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
        for key in KEYS:
            await self._store.link.send("DEL", key(target))
            await self._store.link.send("COPY", key(source), key(target))
