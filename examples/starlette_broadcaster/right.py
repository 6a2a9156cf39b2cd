"""Subscribes, with confirmation, then reads the history, and merges by sequence number."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mended import MendedBroadcast
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
redis = Redis.from_url(URL)
broadcast = MendedBroadcast(URL)


async def relay(websocket: WebSocket) -> None:
    await websocket.accept()
    async with asyncio.TaskGroup() as tasks:
        forwarding = tasks.create_task(forward(websocket, websocket.path_params["session_id"]))
        async for _ in websocket.iter_text():
            pass  # until the client leaves: else its subscription stays open
        forwarding.cancel()


async def look_up(websocket: WebSocket) -> None:
    """Stands for a database that is asked who this is: the 5 ms that such a question takes."""
    await asyncio.sleep(0.005)


async def forward(websocket: WebSocket, session_id: str) -> None:
    async with broadcast.subscribe(f"chat:{session_id}") as subscriber:
        await look_up(websocket)
        # What is published from here on waits in the subscriber's queue.
        history = await redis.lrange(f"chat:{session_id}:history", 0, -1)
        newest = 0
        for chunk in map(json.loads, history):
            newest = chunk["seq"]
            await websocket.send_json({"type": "history", **chunk})
        async for event in subscriber:
            chunk = json.loads(event.message)
            if chunk["seq"] > newest:  # what the history did not have
                await websocket.send_json({"type": "chunk", **chunk})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with broadcast:
        yield


app = Starlette(routes=[WebSocketRoute("/ws/{session_id}", relay)], lifespan=lifespan)
