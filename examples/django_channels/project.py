"""A Django project in one file: settings, `POST /ask/SESSION`, and a word every 10 ms for answer.

Environment: REDIS_URL; LAYER, which of the two layers of channels_redis (core or pubsub).
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from redis.asyncio import Redis

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
LAYER = {"BACKEND": LAYERS[os.environ.get("LAYER", "core")], "CONFIG": {"hosts": [URL]}}
CHUNKS, INTERVAL_S = 300, 0.01

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="of an example",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    CHANNEL_LAYERS={"default": LAYER},
)
django.setup(set_prefix=False)
redis = Redis.from_url(URL)
urlpatterns = []
answers = set[asyncio.Task[None]]()


async def look_up(user: str) -> None:
    """Stands for a database that is asked who this is: the 5 ms that such a question takes."""
    await asyncio.sleep(0.005)


def application(
    consumer: type[AsyncJsonWebsocketConsumer], write: Callable[[str, str], Awaitable[None]]
) -> ProtocolTypeRouter:
    """The project with this consumer at /ws/SESSION; `write(session, chunk)` stores and sends."""

    async def answer(session_id: str) -> None:
        for index in range(CHUNKS):
            chunk = {"type": "chunk", "index": index, "text": f"word{index} "}
            await asyncio.gather(write(session_id, json.dumps(chunk)), asyncio.sleep(INTERVAL_S))

    async def ask(request: HttpRequest, session_id: str) -> JsonResponse:
        task = asyncio.create_task(answer(session_id))
        answers.add(task)
        task.add_done_callback(answers.discard)
        return JsonResponse({"session": session_id})

    urlpatterns.append(path("ask/<session_id>", ask))
    websocket = URLRouter([path("ws/<session_id>", consumer.as_asgi())])
    return ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websocket})
