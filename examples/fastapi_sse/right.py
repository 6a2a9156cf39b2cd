"""Follows the stream from a cursor: the beginning, or what the client says it has."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header
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
async def answer(
    session_id: str, last_event_id: Annotated[str, Header()] = "0"
) -> StreamingResponse:
    events = follow(f"chat:{session_id}:stream", last_event_id)
    return StreamingResponse(events, media_type="text/event-stream")


async def follow(stream: str, newest: str) -> AsyncIterator[str]:
    await look_up(stream)
    while True:
        found = await redis.xread({stream: newest}, block=5_000)
        for newest, fields in found[0][1] if found else ():
            yield f"id: {newest}\ndata: {fields['data']}\n\n"
