"""Somebody else's back end, for tests: `python foreign_app.py PORT REDIS_URL MODE [DELAY_S]`.

MODE: `wrong` reads the history and then subscribes, `right` subscribes first, holds back what comes
live, and drops of it what the history had.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

import redis.asyncio as redis
from websockets.asyncio.server import ServerConnection, serve

WORK_S = 0.02
"""What it does between its two steps: who is this user, may they read this?"""


async def main(port: int, url: str, mode: str, delay_s: float) -> None:
    store = redis.from_url(url)

    async def join(client: ServerConnection) -> None:
        assert client.request is not None
        session = urlsplit(client.request.path).path.rsplit("/", 1)[1]
        async with store.pubsub() as pubsub:
            if mode == "right":
                await subscribe(pubsub, session)
            history = [json.loads(entry) for entry in await store.lrange(f"h:{session}", 0, -1)]
            await client.send(json.dumps({"type": "history", "messages": history}))
            seen = {part["n"] for part in history}
            await asyncio.sleep(WORK_S)
            if mode == "wrong":
                await subscribe(pubsub, session)
            async for message in pubsub.listen():
                part = json.loads(message["data"])
                if mode == "wrong" or part["n"] not in seen:
                    await asyncio.sleep(delay_s)
                    await client.send(json.dumps({"type": "token"} | part))

    async with serve(join, "127.0.0.1", port):
        await asyncio.get_running_loop().create_future()


async def subscribe(pubsub: redis.client.PubSub, session: str) -> None:
    await pubsub.subscribe(f"c:{session}")
    await pubsub.get_message(timeout=5)  # the confirmation


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float((*sys.argv, "0")[4])))
