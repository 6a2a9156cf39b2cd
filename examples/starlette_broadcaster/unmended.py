"""broadcaster 0.3.1 with redis-py 8, as its README has it, behind a history."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broadcaster import Broadcast
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
redis = Redis.from_url(URL)
broadcast = Broadcast(URL)


async def look_up(websocket: WebSocket) -> None:
    """Stands for a database that is asked who this is: the 5 ms that such a question takes."""
    await asyncio.sleep(0.005)


async def relay(websocket: WebSocket) -> None:
    session_id = websocket.path_params["session_id"]
    await websocket.accept()
    history = await redis.lrange(f"chat:{session_id}:history", 0, -1)
    for chunk in history:
        await websocket.send_json({"type": "history", **json.loads(chunk)})
    await look_up(websocket)
    async with broadcast.subscribe(f"chat:{session_id}") as subscriber:
        async for event in subscriber:
            await websocket.send_json({"type": "chunk", **json.loads(event.message)})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with broadcast:
        yield


app = Starlette(routes=[WebSocketRoute("/ws/{session_id}", relay)], lifespan=lifespan)
