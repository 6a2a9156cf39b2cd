"""A relay on Django Channels with the pubsub layer of channels_redis, its quicker one."""

import os

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import URLRouter
from django.conf import settings
from django.urls import path
from redis.asyncio import Redis
from shared_feed import history_frame

LAYER = {
    "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
}
settings.configure(
    SECRET_KEY="of a benchmark",  # noqa: S106
    ALLOWED_HOSTS=["127.0.0.1"],
    CHANNEL_LAYERS={"default": LAYER},
)
django.setup(set_prefix=False)
redis = Redis.from_url(os.environ["REDIS_URL"])


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        session_id = self.scope["url_route"]["kwargs"]["session_id"]
        await self.accept()
        await self.channel_layer.group_add(f"chat.{session_id}", self.channel_name)
        await self.send((await history_frame(redis, session_id)).decode())

    async def chunk(self, event: dict[str, str]) -> None:
        await self.send(event["chunk"])


app = URLRouter([path("ws/<session_id>", Chat.as_asgi())])
