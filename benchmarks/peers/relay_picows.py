"""A relay on picows (Cython) and uvloop: the quickest WebSocket server that Python has."""

import asyncio
import os

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from redis.asyncio import Redis
from shared_feed import SharedFeed, history_frame


class Client(WSListener):
    def __init__(self, session: str) -> None:
        super().__init__()
        self._session = session

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._joining = asyncio.create_task(self._join())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._joining.cancel()
        self._leaving = asyncio.create_task(feed.leave(self._session, self._send))

    def _send(self, payload: bytes) -> None:
        self._transport.send(WSMsgType.TEXT, payload)

    async def _join(self) -> None:
        await feed.join(self._session, self._send)
        self._send(await history_frame(redis, self._session))


def listener(request: WSUpgradeRequest) -> Client:
    return Client(request.path.decode().rpartition("/")[2].partition("?")[0])


async def main() -> None:
    global redis, feed
    redis = Redis.from_url(os.environ["REDIS_URL"])
    feed = SharedFeed(redis)
    port = int(os.environ["PORT"])
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
