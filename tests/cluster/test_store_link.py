"""The passage to the store: whole frames of RESP, what is done to a node's, and who may ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from chunk7.cluster.deployments.probes import free_ports
from chunk7.cluster.deployments.store_link import RespFrames, StoreLink, serve
from chunk7.wire.origins import origins_of

pytestmark = pytest.mark.clocked

HOST = "127.0.0.1"
WITHIN_S = 5.0


@dataclass
class Passage:
    """A link before a store that answers each line with `+NAME`, and before its replica."""

    port: int
    url: str

    async def connect(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(f"CLIENT SETNAME {name}\r\n".encode())
        assert await line(reader) == b"+store\r\n"
        return reader, writer

    async def put(self, path: str, body: bytes, **headers: str) -> tuple[int, str]:
        kind = {"Content-Type": "application/json", **headers}
        async with (
            aiohttp.ClientSession() as http,
            http.put(self.url + path, data=body, headers=kind) as answer,
        ):
            return answer.status, await answer.text()


async def line(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readline(), WITHIN_S)


@asynccontextmanager
async def answering(name: str, port: int) -> AsyncIterator[None]:
    """A store whose every reply is its name; SUBSCRIBE is followed by a message and a reply."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await reader.readline():
            if command.startswith(b"SUBSCRIBE"):
                writer.write(b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n")
            writer.write(f"+{name}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(talk, HOST, port) as server:
        yield
        server.close()


@asynccontextmanager
async def passage(with_replica: bool = True) -> AsyncIterator[Passage]:
    store, replica, listen, control = free_ports(4)
    link = StoreLink((HOST, store), (HOST, replica) if with_replica else None)
    stop = asyncio.Event()
    async with answering("store", store), answering("replica", replica):
        work = serve(link, (HOST, listen), (HOST, control), origins_of(HOST), stop)
        serving = asyncio.create_task(work)
        try:
            await until_open(control)
            yield Passage(listen, f"http://{HOST}:{control}")
        finally:
            for one in list(link.passages):
                one.end()
            stop.set()
            await asyncio.wait_for(serving, WITHIN_S)


async def until_open(port: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.01)  # poll, bounded by the deadline
            else:
                return writer.close()


# --- frames ---


def test_frames_come_whole_however_the_bytes_are_cut() -> None:
    text = b"+OK\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n:7\r\n"
    frames = RespFrames()
    found = [frame for byte in text for frame, _ in frames.whole(bytes([byte]))]
    assert found == [b"+OK\r\n", b"*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n", b":7\r\n"]
    assert [frame for frame, _ in RespFrames().whole(text)] == found


# --- what is done to a node ---


async def test_a_cut_node_hears_nothing_until_it_is_whole_again() -> None:
    async with passage() as link:
        mine, write = await link.connect("node-1")
        others, write_others = await link.connect("node-2")
        assert await link.put("/parts/node-1", b'{"cut": true}') == (204, "")
        write.write(b"PING\r\n")
        hearing = asyncio.create_task(line(mine))
        for _ in range(3):
            write_others.write(b"PING\r\n")
            assert await line(others) == b"+store\r\n"
        assert not hearing.done()
        await link.put("/parts/node-1", b'{"cut": false}')
        assert await hearing == b"+store\r\n"


async def test_a_deaf_node_gets_replies_and_no_messages() -> None:
    async with passage() as link:
        mine, write = await link.connect("node-1-subscriptions")
        await link.put("/parts/node-1", b'{"deaf": true}')
        write.write(b"SUBSCRIBE c\r\n")
        assert await line(mine) == b"+store\r\n"
        await link.put("/parts/node-1", b'{"deaf": false}')
        write.write(b"SUBSCRIBE c\r\n")
        assert await line(mine) == b"*3\r\n"


async def test_a_stale_node_reads_from_the_replica_until_it_is_led_back() -> None:
    async with passage() as link:
        mine, write = await link.connect("node-1")
        for state, name in ((b"true", b"+replica\r\n"), (b"false", b"+store\r\n")):
            await link.put("/parts/node-1", b'{"stale": ' + state + b"}")
            write.write(b"PING\r\n")
            assert await line(mine) == name


async def test_when_the_store_moves_what_was_open_ends() -> None:
    async with passage() as link:
        mine, _ = await link.connect("node-1")
        place = free_ports(1)[0]
        body = f'{{"to": "{HOST}:{place}"}}'.encode()
        assert await link.put("/store", body) == (204, "")
        assert await line(mine) == b""


# --- its control ---


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/parts/node-1", b"{", "Input data was truncated"),
        ("/parts/node-1", b'{"cut": 1}', "Expected `bool | null`, got `int` - at `$.cut`"),
        ("/parts/node-1", b'{"mute": true}', "Object contains unknown field `mute`"),
        ("/parts/node-1", b'{"stale": true}', "stale: there is no replica"),
        ("/store", b"{}", "Object missing required field `to`"),
        ("/store", b'{"to": "nowhere"}', "to"),
    ],
)
async def test_a_body_that_cannot_be_is_refused_in_one_line(
    path: str, body: bytes, said: str
) -> None:
    async with passage(with_replica=False) as link:
        status, text = await link.put(path, body)
    assert status == 400
    assert text.startswith(said)
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Host": "rebound.example"}, 403, "Host: not a name of this server"),
        ({"Origin": "http://other.example"}, 403, "Origin: another site's page"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "Sec-Fetch-Site: another site's page"),
        ({"Content-Type": "text/plain"}, 415, "Content-Type: want application/json"),
    ],
)
async def test_another_sites_page_cannot_cut_a_node(
    headers: dict[str, str], status: int, said: str
) -> None:
    async with passage() as link:
        answer = await link.put("/parts/node-1", b'{"cut": true}', **headers)
        assert (answer[0], answer[1].startswith(said)) == (status, True)
        mine, write = await link.connect("node-1")
        write.write(b"PING\r\n")
        assert await line(mine) == b"+store\r\n"
