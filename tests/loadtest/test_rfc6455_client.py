"""The load test's connection is asked RFC 6455's cases by a raw server: tests/rfc6455_cases.py."""

import contextlib
import re
import socket
from collections.abc import Sequence

import pytest
from rfc6455_cases import (
    CLOSE,
    CLOSES,
    FATAL,
    MESSAGE,
    PINGS,
    PONG,
    RIGHT,
    SPOKEN,
    TEXT,
    Sent,
    close_code,
    frames_of,
)
from target_kit import soon
from test_socket import listening
from websockets.utils import accept_key

from chunk7.loadtest.targets.errors import Closed
from chunk7.loadtest.targets.websocket import connect

pytestmark = pytest.mark.clocked

LAST = Sent(CLOSE, b"\x03\xe8")


def exchange(sent: Sequence[Sent]) -> tuple[list[bytes], Closed, list[tuple[int, bytes]]]:
    """(messages received, how it ended, frames that the client sent)."""
    with listening() as (listener, url):
        messages: list[bytes] = []
        with _Server(listener, b"".join(frame.of(client=False) for frame in sent)) as server:
            connection = connect(url, soon())
            try:
                while True:
                    messages += map(bytes, connection.receive(soon()))
            except Closed as closed:
                connection.close()
                return messages, closed, server.frames()


class _Server:
    """Answers one handshake, sends these bytes, and keeps what comes back."""

    def __init__(self, listener: socket.socket, sent: bytes) -> None:
        import threading

        self._listener, self._sent = listener, sent
        self._got: list[tuple[int, bytes]] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "_Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)

    def _serve(self) -> None:
        raw, _ = self._listener.accept()
        raw.settimeout(10)
        with raw, raw.makefile("rb") as reader, contextlib.suppress(OSError):
            request = b"".join(iter(reader.readline, b"\r\n")).decode()
            found = re.search(r"Sec-WebSocket-Key: (.*)\r", request)
            assert found is not None
            raw.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + f"Sec-WebSocket-Accept: {accept_key(found[1])}\r\n\r\n".encode()
                + self._sent
            )
            self._got = frames_of(reader.read)

    def frames(self) -> list[tuple[int, bytes]]:
        self._thread.join(10)
        return self._got


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_message_is_taken_however_it_comes(case: str) -> None:
    messages, closed, _ = exchange([*RIGHT[case], LAST])
    assert messages == [MESSAGE]
    assert closed.code == 1000


def test_text_of_any_characters_is_taken_whatever_it_is_cut_into() -> None:
    halves = [Sent(TEXT, SPOKEN[:10], fin=False), Sent(0, SPOKEN[10:])]  # within a character
    assert exchange([Sent(TEXT, SPOKEN), *halves, LAST])[0] == [SPOKEN, SPOKEN]


@pytest.mark.parametrize("case", PINGS)
def test_a_ping_is_answered_with_its_bytes(case: str) -> None:
    assert (PONG, b"ping") in exchange([*PINGS[case], LAST])[2]


@pytest.mark.parametrize("case", FATAL)
def test_what_breaks_the_protocol_ends_the_connection(case: str) -> None:
    sent, code = FATAL[case]
    before = Sent(TEXT, MESSAGE)
    messages, closed, frames = exchange([before, *sent])
    assert messages[0] == MESSAGE  # what came before is read
    assert closed.code == code
    assert close_code(frames[-1][1]) == code


def test_text_that_is_not_utf_8_was_handed_on_as_if_it_were() -> None:
    """`websockets` leaves this to whoever uses its protocol; the Autobahn suite noticed."""
    sent = [Sent(TEXT, b"\xff"), Sent(TEXT, MESSAGE), LAST]
    messages, closed, _ = exchange(sent)
    assert messages == []
    assert str(closed) == "closed with 1007 text that is not UTF-8: invalid start byte"


@pytest.mark.parametrize("case", CLOSES)
def test_a_close_is_answered_with_its_code(case: str) -> None:
    sent, code = CLOSES[case]
    _, closed, frames = exchange([sent])
    assert closed.code == (1005 if code is None else code)
    assert close_code(frames[-1][1]) == code
