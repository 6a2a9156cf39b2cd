"""Joins the group, then sends the history; the answer is saved and then goes to the group."""

import json

import project
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.session_id = self.scope["url_route"]["kwargs"]["session_id"]
        await self.accept()
        await self.channel_layer.group_add(f"chat.{self.session_id}", self.channel_name)
        await project.look_up(self.channel_name)
        # Channels calls `chunk` only when this has returned: until then the layer keeps what comes.
        history = await project.redis.lrange(f"chat:{self.session_id}:history", 0, -1)
        messages = [json.loads(chunk) for chunk in history]
        await self.send_json({"type": "history", "messages": messages})
        self.newest = max((message["index"] for message in messages), default=-1)

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(f"chat.{self.session_id}", self.channel_name)

    async def chunk(self, event: dict[str, str]) -> None:
        if json.loads(event["chunk"])["index"] > self.newest:  # what the history did not have
            await self.send(event["chunk"])


async def write(session_id: str, chunk: str) -> None:
    await project.redis.rpush(f"chat:{session_id}:history", chunk)
    await get_channel_layer().group_send(f"chat.{session_id}", {"type": "chunk", "chunk": chunk})


app = project.application(Chat, write)
