"""A relay on Starlette and broadcaster, with the mends of examples/starlette_broadcaster."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "examples" / "starlette_broadcaster"))

from mended import MendedBroadcast
from redis.asyncio import Redis
from shared_feed import history_frame
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

redis = Redis.from_url(os.environ["REDIS_URL"])
broadcast = MendedBroadcast(os.environ["REDIS_URL"])


async def relay(websocket: WebSocket) -> None:
    await websocket.accept()
    session_id = websocket.path_params["session_id"]
    async with broadcast.subscribe(f"chat:stream:{session_id}") as subscriber:
        await websocket.send_text((await history_frame(redis, session_id)).decode())
        async for event in subscriber:
            await websocket.send_text(event.message)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with broadcast:
        yield


app = Starlette(routes=[WebSocketRoute("/ws/{session_id}", relay)], lifespan=lifespan)
