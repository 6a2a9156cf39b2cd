"""Two relays on FastAPI and uvicorn (uvloop, httptools): `shared`, and `plain` as people write it.

`shared`: one subscription a session for all its clients, payloads passed on unchanged.
`plain`: one PubSub a client, each chunk parsed and encoded again, as examples/fastapi_websocket.
"""

import asyncio
import json
import os
from contextlib import suppress

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from redis.asyncio import Redis
from shared_feed import SharedFeed, history_frame

redis = Redis.from_url(os.environ["REDIS_URL"], max_connections=10_000)
feed = SharedFeed(redis)
shared, plain = FastAPI(), FastAPI()


@shared.websocket("/ws/{session_id}")
async def relay_shared(websocket: WebSocket, session_id: str) -> None:
    await websocket.accept()
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    await feed.join(session_id, waiting.put_nowait)
    sending = asyncio.create_task(_send(websocket, session_id, waiting))
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()
    sending.cancel()
    await feed.leave(session_id, waiting.put_nowait)


async def _send(websocket: WebSocket, session_id: str, waiting: "asyncio.Queue[bytes]") -> None:
    await websocket.send_text((await history_frame(redis, session_id)).decode())
    while True:
        await websocket.send_text((await waiting.get()).decode())


@plain.websocket("/ws/{session_id}")
async def relay_plain(websocket: WebSocket, session_id: str) -> None:
    await websocket.accept()
    async with redis.pubsub() as pubsub:
        live = pubsub.listen()
        await pubsub.subscribe(f"chat:stream:{session_id}")
        await anext(live)  # the confirmation
        history = await redis.lrange(f"chat:history:{session_id}", 0, -1)
        messages = [json.loads(chunk) for chunk in history]
        await websocket.send_json({"type": "history", "messages": messages})
        async for message in live:
            await websocket.send_json(json.loads(message["data"]))
