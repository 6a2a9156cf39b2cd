"""Streams of events from a server that sends exactly the bytes of each test."""

import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_kit import answering, events, http
from store_kit import certificate
from target_kit import make_adapter, receive_all, soon

from chunk7.delivery.errors import UsageError
from chunk7.loadtest.targets.client import TargetJoin, open_target
from chunk7.loadtest.targets.errors import (
    END_OF_STREAM,
    Closed,
    ConnectFailed,
    Refused,
    TargetError,
    TimedOut,
    WrongAnswer,
)
from chunk7.loadtest.targets.paths import Message

pytestmark = pytest.mark.clocked

JOIN = TargetJoin("s/1", 3, 4)
BODY = b"id: 1\ndata: a\n\ndata: b\n\n"
READ = [Message("a", "message", "1"), Message("b", "message", "1")]
END = "closed with 1000 end of stream"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


def chunked(*parts: bytes) -> bytes:
    """A whole answer in chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        events(BODY),
        chunked(BODY[:9], BODY[9:]),
        chunked(*[bytes([byte]) for byte in BODY]),
        b"HTTP/1.1 100 Continue\r\n\r\n" + events(BODY),
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + BODY,
        events(gzip.compress(BODY), "Content-Encoding: gzip\r\n"),
        events(zlib.compress(BODY), "Content-Encoding: deflate\r\n"),
    ],
    ids=["length", "chunked", "byte by byte", "continued", "until it closes", "gzip", "deflate"],
)
def test_a_stream_is_read_to_its_end_however_it_is_sent(answer: bytes) -> None:
    with answering(answer) as server:
        adapter = make_adapter(f"http://{server.address}/")
        messages, closed = receive_all(open_target(adapter, JOIN, soon()))
    assert (messages, str(closed)) == (READ, END)


def test_events_are_handed_over_as_they_come_and_silence_times_out() -> None:
    speak = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        packed = zlib.compressobj(wbits=31)
        head = STREAM_HEAD + b"Content-Encoding: gzip\r\n\r\n"
        first = packed.compress(b"data: a\n\n") + packed.flush(zlib.Z_SYNC_FLUSH)
        connection.sendall(head + first)
        speak.wait(10)
        connection.sendall(packed.compress(b"data: b\n\n") + packed.flush())

    with answering(answer) as server:
        connection = open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
        assert connection.receive(soon()) == [Message("a", "message")]
        with pytest.raises(TimedOut):
            connection.receive(soon(0.05))
        speak.set()
        messages, _ = receive_all(connection)
    assert messages == [Message("b", "message")]


def test_a_stream_that_breaks_off_is_told_from_one_that_ends() -> None:
    with answering(STREAM_HEAD + b"Content-Length: 999\r\n\r\n" + BODY) as server:
        connection = open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
        messages, closed = receive_all(connection)
    assert messages == READ
    assert closed.code == 1006
    assert "broken off" in closed.reason


def test_the_request_is_the_adapters_with_its_placeholders_filled() -> None:
    with answering(events(b"")) as server:
        adapter = make_adapter(
            f"http://{server.address}/x/{{session_id}}?after={{after}}",
            method="POST",
            headers={"X-User": "u{user}"},
            cookies={"a": "{connection_id}", "b": "2"},
            body={"session": "{session_id}", "user": "{user}"},
            resume={"by": "last_event_id"},
        )
        open_target(adapter, JOIN, soon()).close(0)
        open_target(adapter, TargetJoin("s/1", 3, 5, after="7-0"), soon()).close(0)
    first, again = (request.decode().split("\r\n") for request in server.requests)
    assert first[0] == "POST /x/s%2F1?after=0 HTTP/1.1"
    assert again[0] == "POST /x/s%2F1?after=7-0 HTTP/1.1"
    assert {"X-User: u3", "Cookie: a=4; b=2", "Accept: text/event-stream"} <= set(first)
    assert {"Content-Type: application/json", "Accept-Encoding: identity"} <= set(first)
    assert first[-1] == '{"session":"s/1","user":3}'
    assert "Last-Event-ID: 7-0" in again
    assert not any(line.startswith("Last-Event-ID") for line in first)


def test_the_url_may_name_a_user_and_what_no_request_line_has_is_encoded() -> None:
    with answering(events(b"")) as server:
        adapter = make_adapter(f"http://me:p%40ss@{server.address}/ströme/ a?b=[%C3%A4]")
        open_target(adapter, JOIN, soon()).close(0)
    assert b"GET /str%C3%B6me/%20a?b=[%C3%A4] HTTP/1.1" in server.requests[0]
    assert f"Host: {server.address}\r\n".encode() in server.requests[0]
    assert b"Authorization: Basic bWU6cEBzcw==" in server.requests[0]


@pytest.mark.parametrize("name", ["X-Key", "X Key"])
def test_a_key_that_is_no_header_is_not_shown(name: str) -> None:
    with answering(events(b"")) as server:
        value = "secret\n" if name == "X-Key" else "secret"
        url = f"http://me:secret@{server.address}/x?key=secret"
        adapter = make_adapter(url, headers={name: value})
        with pytest.raises((WrongAnswer, UsageError), match=name if "-" in name else "/x: ") as it:
            open_target(adapter, JOIN, soon())
    assert "secret" not in str(it.value)


def test_what_a_client_has_may_be_any_text() -> None:
    with answering(events(b"")) as server:
        adapter = make_adapter(f"http://{server.address}", resume={"by": "last_event_id"})
        open_target(adapter, TargetJoin("s", 1, 1, after="ä"), soon()).close(0)
    assert "Last-Event-ID: ä\r\n".encode() in server.requests[0]


def test_a_body_that_is_a_text_is_sent_as_it_is() -> None:
    with answering(events(b"")) as server:
        adapter = make_adapter(f"http://{server.address}", method="POST", body="s={session_id}")
        open_target(adapter, JOIN, soon()).close(0)
    assert server.requests[0].endswith(b"\r\n\r\ns=s/1")
    assert b"application/json" not in server.requests[0]


# --- redirects ---


def test_a_redirect_of_the_same_origin_keeps_headers_method_and_body() -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        moved = http(b"", "307 Temporary Redirect", "Location: ../new?x=1\r\n")
        connection.sendall(events(BODY) if b"/new" in request else moved)

    with answering(answer) as server:
        adapter = make_adapter(
            f"http://{server.address}/a/b", method="POST", body="x", headers={"X-Key": "k"}
        )
        messages, _ = receive_all(open_target(adapter, JOIN, soon()))
    assert messages == READ
    assert server.requests[1].startswith(b"POST /new?x=1 ")
    assert b"X-Key: k" in server.requests[1]
    assert server.requests[1].endswith(b"\r\n\r\nx")


def test_another_origin_does_not_get_the_headers() -> None:
    with answering(events(BODY)) as other:
        moved = http(b"", "302 Found", f"Location: http://{other.address}/there\r\n")
        with answering(moved) as server:
            adapter = make_adapter(
                f"http://{server.address}/", method="POST", body="x", headers={"X-Key": "k"}
            )
            messages, _ = receive_all(open_target(adapter, JOIN, soon()))
    assert messages == READ
    assert other.requests[0].startswith(b"GET /there ")
    assert b"X-Key" not in other.requests[0]


def test_a_redirect_in_a_circle_ends() -> None:
    with answering(http(b"", "302 Found", "Location: /\r\n")) as server:
        with pytest.raises(Refused, match="more than 5 redirects, the last to http:"):
            open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
        assert len(server.requests) == 6


# --- what is no stream ---


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (http(b"\n no such session\nmore", "404 Not Found"), Refused, "HTTP 404: no such session"),
        (http(b"", "401 Unauthorized"), Refused, "HTTP 401: Unauthorized"),
        (http(b"slow down", "429 Too Many Requests"), Refused, "HTTP 429: slow down"),
        (http(b"oops", "500 Oops"), Refused, "HTTP 500: oops"),
        (http(b"", "302 Found"), Refused, "HTTP 302: Found"),
        (http(b"", "202 Accepted"), WrongAnswer, "HTTP 202, which brings no events"),
        (
            http(b"<!doctype html>\n", headers="Content-Type: text/html\r\n"),
            WrongAnswer,
            "answered with text/html, not text/event-stream: <!doctype html>",
        ),
        (http(b"{}"), WrongAnswer, "answered with no content-type, not text/event-stream: {}"),
        (events(b"", "Content-Encoding: br\r\n"), WrongAnswer, "content-encoding br; read are"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", WrongAnswer, "no HTTP answer: illegal status line"),
        (b"", ConnectFailed, "the server hung up without an answer"),
    ],
)
def test_what_is_no_stream_is_one_clear_error(
    answer: bytes, error: type[TargetError], words: str
) -> None:
    with answering(answer) as server, pytest.raises(error) as caught:
        open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
    assert words in str(caught.value)
    assert type(caught.value) is error


def test_who_is_told_not_to_come_back_has_had_all_there_is() -> None:
    """HTTP 204 is how an answer that is over is said to be over. Once it counted as a connection
    that never came about, and the end of the answer, which nobody got, as undetermined.
    """
    with answering(http(b"", "204 No Content")) as server, pytest.raises(Closed) as caught:
        open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
    assert caught.value.code == END_OF_STREAM


def test_content_that_is_not_packed_as_it_says_breaks_the_stream() -> None:
    with answering(events(b"data: a\n\n", "Content-Encoding: gzip\r\n")) as server:
        connection = open_target(make_adapter(f"http://{server.address}"), JOIN, soon())
        with pytest.raises(Closed, match="no gzip"):
            connection.receive(soon())
        connection.close(0)


def test_nobody_at_the_address_is_a_failed_connection() -> None:
    with answering(b"") as server:
        pass
    with pytest.raises(ConnectFailed, match="Connection refused"):
        open_target(make_adapter(f"http://{server.address}"), JOIN, soon())


def test_a_server_that_never_answers_times_out() -> None:
    done = threading.Event()
    with answering(lambda *_: bool(done.wait(10)) and None) as server:
        with pytest.raises(TimedOut, match="no answer in time"):
            open_target(make_adapter(f"http://{server.address}"), JOIN, soon(0.1))
        done.set()


# --- TLS ---


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that no system trusts, and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


@contextlib.contextmanager
def tls_server(files: tuple[Path, Path], answer: bytes) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with answering(answer, context) as server:
        yield server.address


def test_a_stream_is_read_over_tls_also_in_pieces_larger_than_a_record(
    files: tuple[Path, Path],
) -> None:
    body = b"data: " + b"x" * 300_000 + b"\n\n" + BODY
    with tls_server(files, events(body)) as address:
        for tls in ({"ca": str(files[0])}, {"verify": False}):
            adapter = make_adapter(f"https://{address}", tls=tls)
            messages, closed = receive_all(open_target(adapter, JOIN, soon()))
            assert [len(message.data) for message in messages] == [300_000, 1, 1]
            assert str(closed) == END


def test_a_certificate_that_nobody_vouches_for_is_named_with_the_way_out(
    files: tuple[Path, Path],
) -> None:
    with tls_server(files, events(BODY)) as address:
        with pytest.raises(WrongAnswer, match=r"not trusted: self-signed certificate.*tls\.ca"):
            open_target(make_adapter(f"https://{address}"), JOIN, soon())
        url = f"https://localhost:{address.partition(':')[2]}"
        adapter = make_adapter(url, tls={"ca": str(files[0])})
        with pytest.raises(WrongAnswer, match="Hostname mismatch"):
            open_target(adapter, JOIN, soon())


def test_tls_towards_a_server_without_is_no_tls() -> None:
    plain = http(b"", "400 Bad Request")
    with answering(plain) as server, pytest.raises(WrongAnswer, match="no TLS"):
        open_target(make_adapter(f"https://{server.address}"), JOIN, soon())
