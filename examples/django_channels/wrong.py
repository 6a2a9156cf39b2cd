"""Sends the history and then joins the group; the answer goes to the group and is then saved."""

import json

import project
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.session_id = self.scope["url_route"]["kwargs"]["session_id"]
        await self.accept()
        history = await project.redis.lrange(f"chat:{self.session_id}:history", 0, -1)
        await self.send_json({"type": "history", "messages": [json.loads(c) for c in history]})
        await project.look_up(self.channel_name)
        await self.channel_layer.group_add(f"chat.{self.session_id}", self.channel_name)

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(f"chat.{self.session_id}", self.channel_name)

    async def chunk(self, event: dict[str, str]) -> None:
        await self.send(event["chunk"])


async def write(session_id: str, chunk: str) -> None:
    await get_channel_layer().group_send(f"chat.{session_id}", {"type": "chunk", "chunk": chunk})
    await project.redis.rpush(f"chat:{session_id}:history", chunk)


app = project.application(Chat, write)
