"""Heartbeats: each session's head sequence number, read once for all its clients.

A client that has seen less than the head knows of a hole even when nothing comes after it.
"""

import asyncio

from chunk7.delivery.errors import StoreError
from chunk7.nodes.backend import Backend
from chunk7.nodes.recovery import Recoveries
from chunk7.nodes.roster import Roster
from chunk7.nodes.transports.websocket import text_frame
from chunk7.nodes.unheard import Unheard
from chunk7.wire.frames import HeartbeatFrame, encode


async def beat(
    backend: Backend, roster: Roster, unheard: Unheard, recoveries: Recoveries, every_s: float
) -> None:
    """Beat for ever, at instants that do not drift; a beat without a store is left out."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        due_s = max(due_s + every_s, loop.time())
        await asyncio.sleep(due_s - loop.time())
        if backend.down.done():
            unheard.forget()
        else:
            await _beat_once(backend, roster, unheard, recoveries)


async def _beat_once(
    backend: Backend, roster: Roster, unheard: Unheard, recoveries: Recoveries
) -> None:
    sessions = roster.sessions()
    try:
        heads = await backend.store.heads(sessions)
    except StoreError:
        return  # lost: clients are told by who watches the store
    unheard.beat(zip(sessions, heads, strict=True))
    recoveries.beat(zip(sessions, heads, strict=True))
    for session_id, head_seq in zip(sessions, heads, strict=True):
        frame = text_frame(encode(HeartbeatFrame(head_seq)))
        for client in roster.of(session_id):
            client.write(frame)
