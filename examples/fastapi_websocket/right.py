"""Subscribes, waits for the confirmation, reads the history, and merges by sequence number."""

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
    async with asyncio.TaskGroup() as tasks:
        forwarding = tasks.create_task(forward(websocket, session_id))
        async for _ in websocket.iter_text():
            pass  # until the client leaves: else its subscription stays open
        forwarding.cancel()


async def forward(websocket: WebSocket, session_id: str) -> None:
    async with redis.pubsub() as pubsub:
        live = pubsub.listen()
        await pubsub.subscribe(f"chat:{session_id}")
        await anext(live)  # the store's confirmation: `subscribe` has only sent the command

        await look_up(websocket)
        # What is published from here on waits in the subscription's socket.
        history = await redis.lrange(f"chat:{session_id}:history", 0, -1)
        messages = [json.loads(chunk) for chunk in history]
        await websocket.send_json({"type": "history", "messages": messages})
        newest = max((message["seq"] for message in messages), default=0)

        async for message in live:
            chunk = json.loads(message["data"])
            if chunk["seq"] > newest:  # what the history did not have
                await websocket.send_json({"type": "chunk", **chunk})
