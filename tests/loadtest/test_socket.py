"""Against a real `websockets` server in a thread, and raw sockets where it would be too polite."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import gevent
import pytest
from store_kit import certificate
from target_kit import make_adapter, receive_all, soon
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol
from websockets.utils import accept_key

from chunk7.loadtest.targets.client import TargetJoin, open_target
from chunk7.loadtest.targets.errors import Closed, ConnectFailed, Refused, TimedOut, WrongAnswer
from chunk7.loadtest.targets.incoming import Payload
from chunk7.loadtest.targets.paths import Message
from chunk7.loadtest.targets.websocket import WebSocket, connect

pytestmark = pytest.mark.clocked


@contextlib.contextmanager
def serving(handler: Callable[[ServerConnection], None], **options: object) -> Iterator[str]:
    """The URL of a server that runs `handler` for each connection."""
    with serve(handler, "127.0.0.1", 0, compression=None, **options) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws/s?a=b"
        finally:
            server.shutdown()
            thread.join(5)


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener, f"ws://127.0.0.1:{listener.getsockname()[1]}/"


def receive_until_closed(connection: WebSocket) -> tuple[list[bytes], Closed]:
    received: list[bytes] = []
    while True:
        try:
            received += map(bytes, connection.receive(soon()))
        except Closed as closed:
            connection.close()
            return received, closed


def test_messages_come_whole_and_in_order_then_the_close() -> None:
    def handler(server: ServerConnection) -> None:
        for i in range(500):
            server.send(f"message {i}")
        server.close(1012, "drain")

    with serving(handler) as url:
        received, closed = receive_until_closed(connect(url, soon()))
    assert received == [b"message %d" % i for i in range(500)]
    assert (closed.code, closed.reason, str(closed)) == (1012, "drain", "closed with 1012 drain")


def test_fragments_are_put_together_also_around_a_ping() -> None:
    ponged = threading.Event()

    def handler(server: ServerConnection) -> None:
        def pieces() -> Iterator[str]:
            yield "one, "
            server.ping("between")
            yield "two, "
            yield "three"

        server.send(pieces())
        server.send("whole")
        if server.ping("after").wait(5):
            ponged.set()
        server.close()

    with serving(handler) as url:
        received, closed = receive_until_closed(connect(url, soon()))
    assert received == [b"one, two, three", b"whole"]
    assert ponged.is_set()
    assert closed.code == 1000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 5_000_000])
def test_a_message_of_any_size_arrives(size: int) -> None:
    def handler(server: ServerConnection) -> None:
        server.send("x" * size)

    with serving(handler) as url:
        received, _ = receive_until_closed(connect(url, soon()))
    assert [len(message) for message in received] == [size]


def test_what_is_sent_is_received_and_close_is_seen_by_the_server() -> None:
    heard: list[object] = []
    done = threading.Event()

    def handler(server: ServerConnection) -> None:
        heard.extend(server)
        heard.append(server.close_code)
        done.set()

    with serving(handler) as url:
        connection = connect(url, soon())
        connection.send(b'{"type":"fetch"}')
        connection.close()
        assert done.wait(5)
    assert heard == ['{"type":"fetch"}', 1000]


def test_closing_with_unread_messages_still_says_goodbye() -> None:
    codes: list[int | None] = []
    done = threading.Event()

    def handler(server: ServerConnection) -> None:
        server.send("read")
        with contextlib.suppress(ConnectionClosed):
            for _ in range(50):
                server.send("unread")
            server.recv()
        codes.append(server.close_code)
        done.set()

    with serving(handler) as url:
        connection = connect(url, soon())
        connection.receive(soon())
        connection.close()
        assert done.wait(5)
    assert codes == [1000]


def test_a_connection_that_breaks_without_a_close_is_1006() -> None:
    def handler(server: ServerConnection) -> None:
        server.send("last words")
        server.socket.shutdown(socket.SHUT_RDWR)

    with serving(handler) as url:
        connection = connect(url, soon())
        received, closed = receive_until_closed(connection)
        with pytest.raises(Closed):
            connection.send(b"hello?")
    assert received == [b"last words"]
    assert closed.code == 1006


def test_followed_messages_are_handed_over_in_the_hub_until_it_is_enough() -> None:
    """There is no switch to the greenlet for what it would only count; pings are answered."""
    ponged = threading.Event()

    def handler(server: ServerConnection) -> None:
        for i in range(10):
            server.send(f"message {i}")
            if i == 4 and server.ping("between").wait(5):
                ponged.set()
        server.close(1012, "drain")

    taken: list[bytes] = []
    where: set[bool] = set()

    def take(payloads: Sequence[Payload], at_ns: int) -> bool:
        taken.extend(map(bytes, payloads))
        where.add(gevent.getcurrent() is gevent.get_hub())
        return len(taken) >= 3

    with serving(handler) as url:
        connection = connect(url, soon())
        connection.follow(soon(), take)
        assert len(taken) >= 3
        while len(taken) < 10:
            connection.follow(soon(), take)
        _, closed = receive_until_closed(connection)
    assert closed.code == 1012
    assert taken == [b"message %d" % i for i in range(10)]
    assert ponged.is_set()
    assert True in where


def test_what_is_wrong_with_a_message_is_raised_where_it_is_followed() -> None:
    def handler(server: ServerConnection) -> None:
        server.send("no frame of ours")
        server.recv()

    def take(payloads: Sequence[Payload], at_ns: int) -> bool:
        raise ValueError(bytes(payloads[0]))

    with serving(handler) as url:
        connection = connect(url, soon())
        with pytest.raises(ValueError, match="no frame of ours"):
            connection.follow(soon(), take)
        with pytest.raises(TimedOut):
            connection.follow(soon(0.05), take)
        connection.close()


def test_frames_right_behind_the_handshake_are_read() -> None:
    """However the answer to it is cut: the end of its head may come in two parts."""
    with listening() as (listener, url):

        def answer() -> None:
            for cut in (-1, -3, 0):
                raw, _ = listener.accept()
                with raw:
                    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    request = raw.recv(4096).split(b"\r\n")
                    [key] = [r[19:] for r in request if r.lower().startswith(b"sec-websocket-key:")]
                    head = _handshake_answer(key.decode())
                    if cut:
                        raw.sendall(head[:cut])
                        threading.Event().wait(0.02)  # two segments
                    raw.sendall((head[cut:] if cut else head) + b"\x81\x05hello\x88\x00")

        thread = threading.Thread(target=answer)
        thread.start()
        for _ in range(3):
            received, closed = receive_until_closed(connect(url, soon()))
            assert (received, closed.code) == ([b"hello"], 1005)
        thread.join(5)


def test_a_name_is_looked_up() -> None:
    def handler(server: ServerConnection) -> None:
        server.send("here")

    with serving(handler) as url:
        received, _ = receive_until_closed(connect(url.replace("127.0.0.1", "localhost"), soon()))
    assert received == [b"here"]


def test_nobody_at_the_address_is_one_clear_error() -> None:
    with listening() as (_, url):
        pass
    with pytest.raises(ConnectFailed, match=r"^127\.0\.0\.1:\d+: Connection refused$"):
        connect(url, soon())


def test_an_http_error_is_told_with_its_one_line() -> None:
    def refuse(server: ServerConnection, request: Request) -> Response:
        return server.respond(HTTPStatus.BAD_REQUEST, "ordering: 'x' is unknown\nmore\n")

    with (
        serving(lambda server: None, process_request=refuse) as url,
        pytest.raises(Refused, match=r"^HTTP 400: ordering: 'x' is unknown$") as caught,
    ):
        connect(url, soon())
    assert caught.value.status == 400


def test_a_server_that_speaks_something_else_is_no_websocket_server() -> None:
    with listening() as (listener, url):

        def answer() -> None:
            raw, _ = listener.accept()
            with raw:
                raw.recv(4096)
                raw.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectFailed, match="valid HTTP response"):
            connect(url, soon())
        thread.join(5)


def test_a_server_that_never_answers_the_handshake_times_out() -> None:
    with listening() as (_, url), pytest.raises(TimedOut, match="handshake"):
        connect(url, soon(0.2))


def test_a_server_that_hangs_up_during_the_handshake_is_a_failed_connection() -> None:
    with listening() as (listener, url):
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        with pytest.raises(ConnectFailed):
            connect(url, soon())
        thread.join(5)


def test_silence_times_out_and_the_connection_can_be_used_again() -> None:
    speak = threading.Event()

    def handler(server: ServerConnection) -> None:
        speak.wait(10)
        server.send("at last")

    with serving(handler) as url:
        connection = connect(url, soon())
        with pytest.raises(TimedOut):
            connection.receive(soon(0.1))
        speak.set()
        assert list(map(bytes, connection.receive(soon()))) == [b"at last"]
        connection.close()


def test_closing_towards_a_silent_server_does_not_hang() -> None:
    with listening() as (listener, url):
        accepted: list[socket.socket] = []

        def answer() -> None:
            raw, _ = listener.accept()
            accepted.append(raw)
            key = next(
                line.split(b": ")[1]
                for line in raw.recv(4096).split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )
            raw.sendall(_handshake_answer(key.decode()))

        thread = threading.Thread(target=answer)
        thread.start()
        connection = connect(url, soon())
        thread.join(5)
        connection.close(wait_s=0.1)
        accepted[0].close()


def _handshake_answer(key: str) -> bytes:
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "127.0.0.1:1", "wss://127.0.0.1:1/"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConnectFailed):
        connect(url, soon())


def test_headers_cookies_and_subprotocols_are_the_adapters() -> None:
    asked: list[Request] = []

    def look(server: ServerConnection, request: Request) -> None:
        asked.append(request)

    def handler(server: ServerConnection) -> None:
        server.send(str(server.subprotocol))

    options = {"process_request": look, "subprotocols": [Subprotocol("b"), Subprotocol("c")]}
    with serving(handler, **options) as url:
        adapter = make_adapter(
            url,
            headers={"Authorization": "Bearer {user}", "Origin": "http://h", "Host": "chat.test"},
            cookies={"a": "{session_id}"},
            subprotocols=("a", "b"),
        )
        messages, closed = receive_all(open_target(adapter, TargetJoin("s", 7, 1), soon()))
    assert messages == [Message(b"b")]
    assert closed.code == 1000
    headers = asked[0].headers
    assert [headers[name] for name in ("Authorization", "Origin", "Host", "Cookie")] == [
        "Bearer 7",
        "http://h",
        "chat.test",
        "a=s",
    ]


def test_the_first_messages_are_sent_texts_as_they_are_and_json_as_json() -> None:
    heard: list[object] = []

    def handler(server: ServerConnection) -> None:
        heard.extend([server.recv(), server.recv()])

    with serving(handler) as url:
        adapter = make_adapter(
            url, send=("hello {session_id}", {"after": "{after}", "user": "{user}"}), first_after=0
        )
        receive_all(open_target(adapter, TargetJoin("s", 7, 1), soon()))
    assert heard == ["hello s", '{"after":0,"user":7}']


def test_messages_come_over_tls_however_large(tmp_path: Path) -> None:
    """Part of a record that stayed in the TLS layer would be seen by no readiness."""
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)

    def handler(server: ServerConnection) -> None:
        for size in (1, 16_384, 70_000, 3_000_000, 1):
            server.send("x" * size)

    with serving(handler, ssl=context) as url:
        url = url.replace("ws:", "wss:")
        adapter = make_adapter(url, tls={"ca": str(files[0])})
        messages, _ = receive_all(open_target(adapter, TargetJoin("s", 1, 1), soon()))
        with pytest.raises(WrongAnswer, match="not trusted"):
            open_target(make_adapter(url), TargetJoin("s", 1, 1), soon())
    assert [len(message.data) for message in messages] == [1, 16_384, 70_000, 3_000_000, 1]
