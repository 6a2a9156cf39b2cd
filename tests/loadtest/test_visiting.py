"""A client in a thread of its own: what it tells, how it ends, and that nothing is left of it."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from http_kit import answering, events, http
from msgspec.structs import replace
from target_kit import make_adapter
from websockets.sync.server import ServerConnection, serve

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets import visiting
from chunk7.loadtest.targets.client import TargetJoin
from chunk7.loadtest.targets.errors import ConnectFailed, Refused, WrongAnswer
from chunk7.loadtest.targets.frame_reader import Sighting
from chunk7.loadtest.targets.visiting import (
    LATE,
    TOO_MANY,
    ask,
    start_request,
    start_visit,
)

pytestmark = pytest.mark.clocked

JOIN = TargetJoin("s1", 1, 1)
LONG_S = 60.0
FRAMES = [
    {"is": "history", "when": {"type": "history"}, "each": "all", "index": "i", "text": "t"},
    {"is": "end", "when": {"type": "end"}},
    {"is": "chunk", "index": "i", "text": "t"},
]
HISTORY = {"type": "history", "all": [{"i": 0, "t": "a"}, {"i": 1, "t": "b"}]}


class Chat:
    """A real WebSocket server: says its words, then the next when told, until the client leaves."""

    def __init__(self) -> None:
        self.url = ""
        self.go_on = threading.Event()
        self.left_with: list[int | None] = []

    def serve(self, client: ServerConnection) -> None:
        client.send(json.dumps(HISTORY))
        if client.request is not None and client.request.path == "/ends":
            client.send(json.dumps({"type": "end"}))
        self.go_on.wait(LONG_S)
        client.send(json.dumps({"i": 2, "t": "c"}))
        for _ in client:  # until it closes
            pass
        self.left_with.append(client.close_code)


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    with serve(chat.serve, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        chat.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        yield chat
        chat.go_on.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread, no socket: neither of a visit's own nor of gevent's look-up of names."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "visit":
            thread.join(10)
            assert not thread.is_alive()


async def test_a_visit_shows_what_comes_as_it_comes_and_leaves(chat: Chat) -> None:
    visit = start_visit(make_adapter(chat.url, frames=FRAMES), JOIN, LONG_S)
    await visit.opened
    assert await visit.wait_for(lambda seen: len(seen) == 2, LONG_S)
    chat.go_on.set()
    assert await visit.wait_for(lambda seen: any(one.text == "c" for one in seen), LONG_S)
    visit.leave()
    assert await visit.finished == "left"
    assert visit.sightings == [
        Sighting(index=0, text="a"),
        Sighting(index=1, text="b"),
        Sighting(index=2, text="c"),
    ]
    assert visit.kinds == ["history", "history", "chunk"]


async def test_who_leaves_says_so_to_the_server(chat: Chat) -> None:
    visit = start_visit(make_adapter(chat.url, frames=FRAMES), JOIN, LONG_S)
    await visit.opened
    chat.go_on.set()
    assert await visit.wait_for(lambda seen: len(seen) == 3, LONG_S)
    visit.leave()
    visit.leave()  # twice is once
    await visit.finished
    async with asyncio.timeout(10):
        while not chat.left_with:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # poll, bounded by the deadline
    assert chat.left_with == [1000]


async def test_a_visit_ends_with_the_answer(chat: Chat) -> None:
    visit = start_visit(make_adapter(f"{chat.url}/ends", frames=FRAMES), JOIN, LONG_S)
    assert await visit.finished == "end"
    assert len(visit.sightings) == 2


async def test_a_visit_is_gone_when_its_time_is_over(chat: Chat) -> None:
    visit = start_visit(make_adapter(chat.url, frames=FRAMES), JOIN, 0.2)
    assert await visit.finished == LATE
    assert not await visit.wait_for(lambda seen: len(seen) == 3, LONG_S), "nobody is there"


async def test_who_waits_for_what_does_not_come_waits_no_longer_than_told(chat: Chat) -> None:
    visit = start_visit(make_adapter(chat.url, frames=FRAMES), JOIN, LONG_S)
    assert not await visit.wait_for(lambda seen: len(seen) == 3, 0.05)
    visit.leave()
    await visit.finished


async def test_several_visits_at_once_have_a_hub_each(chat: Chat) -> None:
    adapter = make_adapter(chat.url, frames=FRAMES)
    visits = [start_visit(adapter, JOIN, LONG_S) for _ in range(5)]
    for visit in visits:
        assert await visit.wait_for(lambda seen: len(seen) == 2, LONG_S)
    for visit in visits:
        visit.leave()
    assert [await visit.finished for visit in visits] == ["left"] * 5


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_who_leaves_before_it_was_let_in_is_gone_at_once(scheme: str) -> None:
    """An app whose SUBSCRIBE was held let nobody in, and each try lasted for its whole time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and never says a word
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        visit = start_visit(make_adapter(url), JOIN, LONG_S)
        visit.leave()  # its thread may not even have begun
        async with asyncio.timeout(10):
            assert await visit.finished == "left"
        with pytest.raises(WrongAnswer, match="not opened: left"):
            await visit.opened
        visit = start_visit(make_adapter(url), JOIN, LONG_S)
        with await asyncio.to_thread(_asked, listener):
            visit.leave()
            async with asyncio.timeout(10):
                assert await visit.finished == "left"


def _asked(listener: socket.socket) -> socket.socket:
    """The first connection on which something is said: one that was left at once may come, too."""
    while True:
        connection, _ = listener.accept()
        if connection.recv(1):
            return connection
        connection.close()


async def test_a_connection_that_does_not_come_about_is_told_twice() -> None:
    with answering(http(b"who?", "401 No")) as server:
        visit = start_visit(make_adapter(f"http://{server.address}"), JOIN, LONG_S)
        with pytest.raises(Refused, match="HTTP 401: who"):
            await visit.opened
        assert await visit.finished == "HTTP 401: who?"
    visit = start_visit(make_adapter(f"ws://{server.address}"), JOIN, LONG_S)
    with pytest.raises(ConnectFailed, match="Connection refused"):
        await visit.opened


async def test_a_stream_of_events_that_its_server_ends_says_how() -> None:
    with answering(events(b'data: "a"\n\ndata: "b"\n\n')) as server:
        visit = start_visit(make_adapter(f"http://{server.address}"), JOIN, LONG_S)
        assert await visit.finished == "closed with 1000 end of stream"
    assert [one.text for one in visit.sightings] == ["a", "b"]


async def test_a_frame_that_no_rule_reads_ends_the_visit_with_its_line() -> None:
    with answering(events(b"data: [DONE]\n\n")) as server:
        visit = start_visit(make_adapter(f"http://{server.address}"), JOIN, LONG_S)
        await visit.opened
        assert (await visit.finished).startswith("no JSON (")


async def test_what_an_adapters_own_function_fails_with_is_told(chat: Chat) -> None:
    adapter = replace(make_adapter(chat.url), values=lambda session_id, user: 1 / 0)
    visit = start_visit(adapter, JOIN, LONG_S)
    with pytest.raises(UsageError, match=r"values\(\) raised ZeroDivisionError"):
        await visit.opened


async def test_a_fault_of_ours_is_raised_to_who_waits(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread it would be a trace on stderr, and whoever waited would wait for ever."""
    monkeypatch.setattr(visiting, "FrameReader", lambda adapter: 1 / 0)
    visit = start_visit(make_adapter(chat.url), JOIN, LONG_S)
    with pytest.raises(ZeroDivisionError):
        await visit.finished


async def test_a_target_that_never_stops_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visiting, "MAX_SIGHTINGS", 10)
    with answering(events(b'data: "a"\n\n' * 50)) as server:
        visit = start_visit(make_adapter(f"http://{server.address}"), JOIN, LONG_S)
        assert await visit.finished == TOO_MANY


async def test_an_answer_is_asked_for_and_fetched_without_a_visit() -> None:
    with answering(http(b'{"id": "x7", "t": "abc"}')) as server:
        url = f"http://{server.address}"
        asked = {"url": f"{url}/ask", "session_id": "id"}
        adapter = make_adapter("ws://h", ask=asked)
        assert await ask(adapter, JOIN, LONG_S) == "x7"
    paths = [request.split(b" ")[1] for request in server.requests]
    assert paths == [b"/ask"]


async def test_the_request_itself_may_be_the_visit() -> None:
    with answering(events(b'data: "a"\n\n')) as server:
        asked = {"url": f"http://{server.address}/ask", "reference": "request", "body": {"q": 1}}
        visit = start_request(make_adapter("http://h", ask=asked), JOIN, LONG_S)
        await visit.finished
    assert [one.text for one in visit.sightings] == ["a"]
    assert server.requests[0].startswith(b"POST /ask ")


async def test_a_hundred_visits_leave_no_file_and_no_thread_behind() -> None:
    """Names are looked up in threads of gevent's, of which each hub has its own."""
    mine = psutil.Process()
    with answering(events(b'data: "a"\n\n')) as server:
        adapter = make_adapter(f"http://localhost:{server.address.partition(':')[2]}")

        async def visits(count: int) -> None:
            for _ in range(count):
                assert (await start_visit(adapter, JOIN, LONG_S).finished).startswith("closed")

        def held() -> tuple[int, int]:
            return mine.num_fds(), mine.num_threads()

        await visits(2)
        files, threads = held()
        await visits(100)
        async with asyncio.timeout(10):
            while held()[0] > files or held()[1] > threads:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # poll, bounded: the last of them may just be ending


def test_the_program_that_visits_stays_as_it_is_and_says_nothing(tmp_path: Path) -> None:
    """gevent is not to patch a program of asyncio, and a hub that ends is not to print traces. A
    client that was still there when the interpreter ended killed it by SIGSEGV."""
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, socket, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from target_kit import make_adapter\n"
        "from gevent import monkey\n"
        "from chunk7.loadtest.targets.client import TargetJoin\n"
        "from chunk7.loadtest.targets.visiting import start_visit\n"
        "async def main():\n"
        "    with socket.create_server(('127.0.0.1', 0)) as listener:\n"
        "        url = f'ws://127.0.0.1:{listener.getsockname()[1]}'\n"
        "        visit = start_visit(make_adapter(url), TargetJoin('s', 1, 1), 60)\n"
        "        connection = listener.accept()[0]\n"
        "        connection.recv(1)\n"
        "        visit.leave()\n"
        "        print(await visit.finished)\n"
        "        start_visit(make_adapter(url), TargetJoin('s', 1, 1), 60)\n"
        "        listener.accept()[0].recv(1)\n"
        "asyncio.run(main())\n"
        "print(monkey.is_module_patched('socket'))\n"
    )
    command = [sys.executable, program, Path(__file__).parent]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("left\nFalse\n", "", 0)
