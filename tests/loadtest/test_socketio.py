"""Against python-socketio's server, and a scripted one for what that does not have: recovery."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import socketio
from aiohttp import web
from target_kit import make_adapter, receive_all, soon
from websockets.sync.server import ServerConnection, serve

from chunk7.loadtest.targets.client import TargetJoin, open_target
from chunk7.loadtest.targets.errors import Refused, WrongAnswer
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.socketio import with_query

pytestmark = pytest.mark.clocked

JOIN = TargetJoin("s1", 1, 2)


@contextlib.contextmanager
def scripted(script: Callable[[ServerConnection], None]) -> Iterator[str]:
    """The URL of an engine.io server whose every connection follows `script`."""

    def handler(connection: ServerConnection) -> None:
        connection.send('0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
        script(connection)

    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def test_a_room_is_joined_and_its_events_are_read_from_a_real_server() -> None:
    """Its server, too, asks for the acknowledgement of an event, and sends pings meanwhile."""
    server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=0.05)
    app = web.Application()
    server.attach(app)
    auths: list[object] = []

    @server.event  # type: ignore[untyped-decorator]
    async def connect(sid: str, environ: dict[str, object], auth: object) -> None:
        auths.append(auth)

    @server.event  # type: ignore[untyped-decorator]
    async def join(sid: str, room: dict[str, str]) -> None:
        await server.emit("history", [{"i": 0}], to=sid)
        await server.sleep(0.2)
        await server.emit("chunk", ({"i": 1}, room["session"]), to=sid, callback=print)
        await server.disconnect(sid)

    loop, started, port = asyncio.new_event_loop(), threading.Event(), [0]

    async def start() -> web.AppRunner:
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port[0] = runner.addresses[0][1]
        started.set()
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        adapter = make_adapter(
            f"ws://127.0.0.1:{port[0]}",
            framing="socket.io",
            body={"token": "t"},
            send=(["join", {"session": "{session_id}"}],),
        )
        messages, closed = receive_all(open_target(adapter, JOIN, soon()))
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(10)
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
    assert messages == [
        Message(b'{"args":[[{"i":0}]]}', "history", None),
        Message(b'{"args":[{"i":1},"s1"]}', "chunk", None),
    ]
    assert closed.reason == "disconnected by the server"
    assert auths == [{"token": "t"}]


def test_a_recovered_client_says_what_it_has_and_sends_nothing_else() -> None:
    sent: list[object] = []

    def script(connection: ServerConnection) -> None:
        asked = connection.recv()
        sent.append(asked)
        connection.send('40{"sid":"x","pid":"p1"}')
        if asked == "40":
            sent.append(connection.recv())
            connection.send('42["chunk",{"i":0},"1-0"]')
        else:
            connection.send('42["chunk",{"i":1},"2-0"]')
        connection.send("41")
        with contextlib.suppress(Exception):
            sent.append(connection.recv())

    with scripted(script) as url:
        adapter = make_adapter(
            url, framing="socket.io", send=(["join", "{session_id}"],), resume={"by": "frame"}
        )
        first, _ = receive_all(open_target(adapter, JOIN, soon()))
        again = TargetJoin("s1", 1, 3, after=first[-1].id)
        second, _ = receive_all(open_target(adapter, again, soon()))
    assert [message.id for message in first + second] == ["p1/1-0", "p1/2-0"]
    assert sent[:2] == ["40", '42["join","s1"]']
    assert json.loads(str(sent[2])[2:]) == {"pid": "p1", "offset": "1-0"}
    assert len(sent) == 3


def test_what_a_recovered_client_missed_comes_before_it_is_let_in() -> None:
    """So socket.io 4.8 does it. What came before the connect packet was once thrown away, and every
    recovery looked like a hole."""

    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send('42["chunk",{"i":1},"2-0"]')
        connection.send('42["chunk",{"i":2},"3-0"]')
        connection.send('40{"sid":"x","pid":"p1"}')
        connection.send('42["chunk",{"i":3},"4-0"]')
        connection.send("41")
        with contextlib.suppress(Exception):
            connection.recv()

    with scripted(script) as url:
        adapter = make_adapter(url, framing="socket.io", resume={"by": "frame"})
        place = TargetJoin("s1", 1, 3, after="p1/1-0")
        messages, _ = receive_all(open_target(adapter, place, soon()))
    assert [message.id for message in messages] == ["p1/2-0", "p1/3-0", "p1/4-0"]


def test_a_client_that_was_forgotten_joins_as_a_new_one() -> None:
    sent: list[object] = []

    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send('40{"sid":"x","pid":"another"}')
        sent.append(connection.recv())
        connection.send("1")

    with scripted(script) as url:
        adapter = make_adapter(
            url, framing="socket.io", send=(["join", "{session_id}"],), resume={"by": "frame"}
        )
        place = TargetJoin("s1", 1, 3, after="p1/1-0")
        receive_all(open_target(adapter, place, soon()))
    assert sent == ['42["join","s1"]']


def test_a_ping_is_answered_and_other_packets_are_no_events() -> None:
    answers: list[object] = []

    def script(connection: ServerConnection) -> None:
        connection.recv()
        for packet in ('40{"sid":"x"}', "2probe", "6", '431["ack"]', '42/other,["chunk",1]'):
            connection.send(packet)
        answers.append(connection.recv())
        connection.send('427["chunk","text"]')

    with scripted(script) as url:
        adapter = make_adapter(url, framing="socket.io")
        messages, _ = receive_all(open_target(adapter, JOIN, soon()))
    assert answers == ["3probe"]
    assert messages == [
        Message(b'42/other,["chunk",1]'),
        Message(b'{"args":["text"]}', "chunk", None),
    ]


def test_a_refused_namespace_is_a_refused_connection() -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send('44{"message":"Unauthorized"}')
        with contextlib.suppress(Exception):
            connection.recv()

    with scripted(script) as url, pytest.raises(Refused, match="Unauthorized"):
        open_target(make_adapter(url, framing="socket.io"), JOIN, soon())


def test_a_server_of_another_protocol_is_named() -> None:
    def handler(connection: ServerConnection) -> None:
        connection.send("hello")
        time.sleep(0)

    with serve(handler, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/socket.io/"
        try:
            with pytest.raises(WrongAnswer, match=r"no engine\.io 4 server: it began with hello"):
                open_target(make_adapter(url, framing="socket.io"), JOIN, soon())
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("ws://h", "ws://h/socket.io/?EIO=4&transport=websocket"),
        ("ws://h/chat/?EIO=4&a=b", "ws://h/chat/?EIO=4&a=b&transport=websocket"),
    ],
)
def test_path_and_query_are_those_of_every_server_unless_given(url: str, asked: str) -> None:
    assert with_query(url) == asked
