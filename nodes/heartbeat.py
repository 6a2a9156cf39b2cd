"""Heartbeats: each session's head sequence number, read once for all its clients.

A client that has seen less than the head knows of a hole even when nothing comes after it. With the
head goes its epoch: another one than before says that the numbers began again.

The clients of a round are served in batches, spread evenly over the period: written at once, the
heartbeats of thousands of idle clients would hold up everybody's chunks twice a second.
"""

import asyncio
from collections.abc import Iterable, Iterator

from chunk7.delivery.errors import StoreError
from chunk7.nodes.backend import Backend
from chunk7.nodes.recovery import Recoveries
from chunk7.nodes.roster import Roster
from chunk7.nodes.transports.websocket import Client, text_frame
from chunk7.nodes.unheard import Unheard
from chunk7.wire.frames import HeartbeatFrame, encode
from chunk7.wire.store.heads import heads_and_epochs

BATCH = 64
"""Clients whose heads are read at once."""
AT_ONCE = 16
"""Clients served in one turn of the event loop: a chunk waits a tenth of a millisecond for them."""


async def beat(
    backend: Backend, roster: Roster, unheard: Unheard, recoveries: Recoveries, every_s: float
) -> None:
    """Beat for ever, at instants that do not drift; a batch without a store is left out."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        batches = list(_batches(roster.joined()))
        apart_s = every_s / max(1, len(batches))
        unheard.begin()
        recoveries.begin()
        async with asyncio.TaskGroup() as round_:  # a slow store must not make the round longer
            for batch in batches or [[]]:
                due_s = max(due_s + apart_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
                round_.create_task(_serve(backend, batch, unheard, recoveries))


def _batches(clients: Iterable[Client]) -> Iterator[list[Client]]:
    """The clients as they come, session by session."""
    batch: list[Client] = []
    for client in clients:
        if len(batch) == BATCH:
            yield batch
            batch = []
        batch.append(client)
    if batch:
        yield batch


async def _serve(
    backend: Backend, batch: list[Client], unheard: Unheard, recoveries: Recoveries
) -> None:
    """Read the heads of their sessions; those that have gone meanwhile refuse the frame."""
    if backend.down.done():
        unheard.forget()
        return
    sessions = list(dict.fromkeys(client.session_id for client in batch))
    try:
        tails = await heads_and_epochs(backend.store, sessions)
    except StoreError:
        return  # lost: clients are told by who watches the store
    heads = [head_seq for head_seq, _ in tails]
    unheard.beat(zip(sessions, heads, strict=True))
    recoveries.beat(zip(sessions, heads, strict=True))
    frames = {
        session_id: text_frame(encode(HeartbeatFrame(head_seq, epoch)))
        for session_id, (head_seq, epoch) in zip(sessions, tails, strict=True)
    }
    for number, client in enumerate(batch):
        if number and number % AT_ONCE == 0:
            await asyncio.sleep(0)
        client.write(frames[client.session_id])
