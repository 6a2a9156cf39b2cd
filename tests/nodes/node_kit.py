"""For the tests of nodes/: a real node in the test's event loop, and real clients for it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pyarrow as pa
from websockets.asyncio.client import ClientConnection, connect

from chunk7.delivery.chunk import Chunk, stream_key
from chunk7.delivery.effects import (
    Append,
    NextSeq,
    NumberSaveAndPublish,
    Pause,
    Publish,
    Save,
    SaveAndPublish,
)
from chunk7.delivery.stepping import Steps
from chunk7.nodes.node import Node
from chunk7.nodes.options import parse_options
from chunk7.producer.write import WRITE_ORDERINGS
from chunk7.wire.frames import HeartbeatFrame, decode_server_frame
from chunk7.wire.records import ReadBack, read_back
from chunk7.wire.store.store import Store

DEADLINE_S = 10.0


@dataclass
class RunningNode:
    """A node under test."""

    node: Node
    port: int
    records: Path
    name: str
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    def url(self, session_id: str = "s", **fields: Any) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/{session_id}?{urlencode(fields)}"

    @contextlib.asynccontextmanager
    async def client(
        self, ordering: str, session_id: str = "s", **fields: Any
    ) -> AsyncIterator["User"]:
        url = self.url(session_id, ordering=ordering, **fields)
        async with connect(url, compression=None, max_queue=None, max_size=None) as connection:
            yield User(connection)

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def metric(self, sample: str) -> float:
        """The value of one line of /metrics."""
        _, text = await self.get("/metrics")
        return float(
            next(line for line in text.splitlines() if line.startswith(f"{sample} ")).split()[-1]
        )

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, DEADLINE_S)

    def table(self, name: str) -> list[dict[str, Any]]:
        """What the node wrote down; after `end`."""
        back: ReadBack = read_back(self.records / f"{self.name}.{name}.arrows")
        assert back.complete
        table: pa.Table = back.table
        return table.to_pylist()


class User:
    """A client that reads frames, heartbeats left out unless asked for."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def frame(self, heartbeats: bool = False) -> Any:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = decode_server_frame(await self.connection.recv(decode=False))
                if heartbeats or not isinstance(frame, HeartbeatFrame):
                    return frame

    async def frames(self, count: int) -> list[str]:
        """The next frames, each as one short word."""
        return [word(await self.frame()) for _ in range(count)]

    async def until(self, last_word: str) -> list[str]:
        """All frames up to the one that reads like this, included."""
        words = [word(await self.frame())]
        while words[-1] != last_word:
            words.append(word(await self.frame()))
        return words

    async def closed(self) -> tuple[int | None, str | None]:
        async with asyncio.timeout(DEADLINE_S):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason


def frames_in(written: bytes, count: int) -> list[bytes]:
    """The server's frames that one write is made of, each of less than 64 KiB."""
    frames = []
    while written:
        extended = written[1] == 126
        length = int.from_bytes(written[2:4]) + 4 if extended else written[1] + 2
        frames.append(written[:length])
        written = written[length:]
    assert len(frames) == count
    return frames


def word(frame: Any) -> str:
    """A frame as tests compare it: `history 1 2`, `welcome`, `chunk 3`, `error store_lost`."""
    kind = type(frame).__name__.removesuffix("Frame").lower()
    if kind == "history":
        return " ".join([kind, *(str(message.seq) for message in frame.messages)])
    if kind == "chunk":
        return f"chunk {frame.seq}"
    if kind == "error":
        return f"error {frame.code}"
    return kind


def chunk(seq: int, session_id: str = "s", text: str | None = None) -> Chunk:
    return Chunk(session_id, "m", seq - 1, f"text {seq}" if text is None else text, False, seq)


StartNode = Callable[..., Awaitable[RunningNode]]
"""The fixture `start`."""


async def start_node(store_url: str, records: Path, *more: str, name: str = "n1") -> RunningNode:
    required = ("--listen", "127.0.0.1:0", "--redis", store_url, "--records", str(records))
    node = Node(parse_options([*required, "--name", name, *more]))
    stop = asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(node.run(stop, ready))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return RunningNode(node, ready.result(), records, name, stop, task)


async def write(store: Store, ordering: str, one: Chunk) -> None:
    """Run a write ordering for a chunk, effect after effect, with nothing in between."""
    steps = Steps(WRITE_ORDERINGS[ordering].steps(one))
    while steps.effect is not None:
        match steps.effect:
            case Pause():
                answer: Any = None
            case NextSeq():
                answer = await store.next_seq(one.session_id)
            case Publish(chunk=numbered):
                answer = await store.publish(numbered)
            case Save(chunk=numbered):
                answer = await store.save(numbered)
            case SaveAndPublish(chunk=numbered):
                answer = await store.save_and_publish(numbered)
            case NumberSaveAndPublish(chunk=unnumbered):
                answer = (await store.number_save_and_publish(unnumbered))[1]
            case Append(chunk=numbered):
                answer = await store.append(numbered)
        steps.advance(answer)


async def subscribers(store: Store, session_id: str = "s") -> int:
    """How many connections the store has subscribed to the session's channel."""
    return int((await store.link.send("PUBSUB", "NUMSUB", stream_key(session_id)))[1])


async def eventually(condition: Callable[[], Any]) -> None:
    """Poll a condition, awaited if it is a coroutine's, until it holds or the deadline is over."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        holds = condition()
        if asyncio.iscoroutine(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.005)  # poll, bounded by the deadline
