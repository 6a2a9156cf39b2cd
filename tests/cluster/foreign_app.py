"""Somebody else's back end, for tests: `python foreign_app.py PORT MODE REDIS_URL LOG`.

MODE `wrong` reads what there was and then begins to listen; `right` listens first, holds back what
comes live, and drops of it what it had read. `/ws/SESSION` relays what somebody writes into a
store (list `h:SESSION`, channel `c:SESSION`); `POST /ask/SESSION` starts an answer of the app's
own, which `/sse/SESSION` streams, and of which every part is a line of LOG.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import redis.asyncio as redis
from aiohttp import web

WORK_S = 0.03
"""What it does between its two steps: who is this, may they read it?"""
WORDS = [f"word{number} " for number in range(100)]
EVERY_S = 0.02

Part = dict[str, object]


class App:
    def __init__(self, wrong: bool, url: str, log: Path) -> None:
        self.log = log.open("a", buffering=1)
        self.wrong = wrong
        self.store = redis.from_url(url)
        self.said: dict[str, list[Part]] = defaultdict(list)
        self.listeners: dict[str, list[asyncio.Queue[Part]]] = defaultdict(list)
        self.answers: set[asyncio.Task[None]] = set()

    async def join(self, request: web.Request) -> web.WebSocketResponse:
        client, session = web.WebSocketResponse(), request.match_info["session"]
        await client.prepare(request)
        async with self.store.pubsub() as pubsub:
            if not self.wrong:
                await self.subscribe(pubsub, session)
            history = [
                json.loads(entry) for entry in await self.store.lrange(f"h:{session}", 0, -1)
            ]
            await client.send_json({"type": "history", "messages": history})
            await asyncio.sleep(WORK_S)
            if self.wrong:
                await self.subscribe(pubsub, session)
            seen = set() if self.wrong else {part["n"] for part in history}
            async for message in pubsub.listen():
                part = json.loads(message["data"])
                if part["n"] not in seen:
                    await client.send_json({"type": "token"} | part)
        return client

    async def subscribe(self, pubsub: redis.client.PubSub, session: str) -> None:
        """Confirmed: one confirmation comes, and only then what is published."""
        await pubsub.subscribe(f"c:{session}")
        while (confirmation := await pubsub.get_message(timeout=1)) is None:
            pass
        assert confirmation["type"] == "subscribe"

    async def ask(self, request: web.Request) -> web.Response:
        answer = asyncio.create_task(self.answer(request.match_info["session"]))
        self.answers.add(answer)
        return web.json_response({})

    async def answer(self, session: str) -> None:
        for number, word in enumerate(WORDS):
            part: Part = {"i": number, "t": word, "last": number == len(WORDS) - 1}
            self.log.write(json.dumps({"room": session, "at": time.time()} | part) + "\n")
            self.said[session].append(part)
            for listener in self.listeners[session]:
                listener.put_nowait(part)
            await asyncio.sleep(EVERY_S)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        session = request.match_info["session"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        live: asyncio.Queue[Part] = asyncio.Queue()
        if not self.wrong:
            self.listeners[session].append(live)
        before = list(self.said[session])
        await asyncio.sleep(WORK_S)
        if self.wrong:
            self.listeners[session].append(live)
        for part in before:
            await self.send(response, part)
        while not (before and before[-1]["last"]):
            part = await live.get()
            if self.wrong or part not in before:
                await self.send(response, part)
            if part["last"]:
                break
        await response.write(b"data: [DONE]\n\n")
        return response

    async def send(self, response: web.StreamResponse, part: Part) -> None:
        await response.write(f"id: {part['i']}\ndata: {json.dumps(part)}\n\n".encode())


def main(port: int, mode: str, url: str, log: Path) -> None:
    app, routes = App(mode == "wrong", url, log), web.Application()
    routes.add_routes(
        [
            web.get("/ws/{session}", app.join),
            web.post("/ask/{session}", app.ask),
            web.get("/sse/{session}", app.stream),
        ]
    )
    web.run_app(routes, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
