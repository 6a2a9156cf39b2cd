"""A line of MONITOR is read back to the command that was executed, in every form there has been."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor_kit import line, repr_of

from chunk7.instruments.watch.monitor_line import Command, parse_line

AT = 1_339_518_083_107_412


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            b'1339518083.107412 [0 127.0.0.1:60866] "RPUSH" "k" "v"',
            Command(AT, 0, "127.0.0.1:60866", "RPUSH", (b"k", b"v")),
        ),
        (b'+1339518083.107412 [3 [::1]:6] "get" "k"', Command(AT, 3, "[::1]:6", "GET", (b"k",))),
        (b'1339518083.107412 [0 lua] "set" "x" ""', Command(AT, 0, "lua", "SET", (b"x", b""))),
        (
            b'1339518083.107412 [0 unix:/run/a b.sock] "ping"\r\n',
            Command(AT, 0, "unix:/run/a b.sock", "PING", ()),
        ),
        (b'1339518083.107412 (db 2) "get" "k"', Command(AT, 2, "", "GET", (b"k",))),
        (b'1339518083.107412 "get" "k"', Command(AT, 0, "", "GET", (b"k",))),
        (b'1339518083.107412: ["get","k"]', Command(AT, 0, "", "GET", (b"k",))),
        (b'1339518083.107412: ["get", "a\\"] ["]', Command(AT, 0, "", "GET", (b'a"] [',))),
        (
            b'1339518083.107412 [0 a:1] "set" "k" "\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff \\xc3\\xa9"',
            Command(AT, 0, "a:1", "SET", (b"k", b'"\\\n\r\t\a\b\x00\xff \xc3\xa9')),
        ),
    ],
)
def test_every_form_is_read(text: bytes, command: Command) -> None:
    assert parse_line(text) == command


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"OK",
        b"+OK",
        b'1339518083.107412 [0 a:1] "rpush" "k" "cut',
        b"1339518083.107412 [0 a:1]",
    ],
)
def test_what_is_no_whole_line_is_none(text: bytes) -> None:
    assert parse_line(text) is None


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5), st.integers(0, 10**9))
def test_any_bytes_come_back(words: list[bytes], at_ms: int) -> None:
    command = parse_line(line(at_ms, "node1", "RPUSH", *words))
    assert command is not None
    assert command.args == tuple(words)
    assert command.at_us == 1_800_000_000_000_000 + at_ms * 1_000


def test_a_real_server_writes_as_our_histories_do(store_process: str) -> None:
    """All 256 bytes, so that the histories in these tests are a server's."""
    port = int(store_process.split(":")[2].removesuffix("/0"))
    word = bytes(range(256))
    with (
        socket.create_connection(("127.0.0.1", port)) as monitor,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        monitor.sendall(b"*1\r\n$7\r\nMONITOR\r\n")
        assert monitor.recv(5) == b"+OK\r\n"
        client.sendall(b"*2\r\n$4\r\nECHO\r\n$256\r\n" + word + b"\r\n")
        lines = monitor.makefile("rb")
        heard = next(text for text in lines if b'"ECHO"' in text)
    assert heard.rstrip().endswith(b'"ECHO" ' + repr_of(word))
    command = parse_line(heard.rstrip(b"\r\n"))
    assert command is not None
    assert command.args == (word,)
