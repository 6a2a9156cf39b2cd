"""Reads the stream, sends it, and waits for what comes after `$`: after now, that is."""

import asyncio
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

app = FastAPI()
redis = Redis.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True
)


async def look_up(stream: str) -> None:
    """Stands for a database that is asked who this is: the 5 ms that such a question takes."""
    await asyncio.sleep(0.005)


@app.get("/answers/{session_id}")
async def answer(session_id: str) -> StreamingResponse:
    events = follow(f"chat:{session_id}:stream")
    return StreamingResponse(events, media_type="text/event-stream")


async def follow(stream: str) -> AsyncIterator[str]:
    for entry_id, fields in await redis.xrange(stream):
        yield f"id: {entry_id}\ndata: {fields['data']}\n\n"
    await look_up(stream)
    newest = "$"
    while True:
        found = await redis.xread({stream: newest}, block=5_000)
        for newest, fields in found[0][1] if found else ():
            yield f"id: {newest}\ndata: {fields['data']}\n\n"
