"""Reads the history, sends it, subscribes: what most people write first."""

import asyncio
import json
import os

from fastapi import FastAPI, WebSocket
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))


async def look_up(websocket: WebSocket) -> None:
    """Stands for a database that is asked who this is: the 5 ms that such a question takes."""
    await asyncio.sleep(0.005)


@app.websocket("/ws/{session_id}")
async def relay(websocket: WebSocket, session_id: str) -> None:
    await websocket.accept()
    history = await redis.lrange(f"chat:{session_id}:history", 0, -1)
    messages = [json.loads(chunk) for chunk in history]
    await websocket.send_json({"type": "history", "messages": messages})
    await look_up(websocket)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(f"chat:{session_id}")
        async for message in pubsub.listen():
            if message["type"] == "message":
                await websocket.send_json({"type": "chunk", **json.loads(message["data"])})
