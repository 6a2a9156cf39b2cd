"""What an application sees through the proxy is, byte for byte, what it sees without it.

STEER_EXCHANGES=10000 makes as many exchanges; without it there are so many as take a few seconds.
"""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy_kit import DEADLINE_S, Looking, Restless, proxy_thread, resp, talk
from resp_kit import cut
from store_kit import server

from chunk7.instruments.steer.connection import Reply

EXCHANGES = int(os.environ.get("STEER_EXCHANGES", "240"))
pytestmark = [pytest.mark.live, pytest.mark.timeout(1_200)]

OPTIONS = ("--enable-debug-command", "yes", "--hz", 500)
"""With more ticks a second a blocking command that waits 1 ms waits no 100 ms."""
KEYS = st.sampled_from([b"k", b"list", b"stream", b"other"])
CHANNELS = st.sampled_from([b"c", b"d", b"message", b"subscribe"])
VALUES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from([b"message", b"subscribe", b"\r\n$5\r\n", b"x" * 70_000]),
    st.just(b"y" * 1_300_000),
)
SCRIPT = "redis.call('RPUSH', KEYS[1], ARGV[1]) return redis.call('PUBLISH', 'c', ARGV[1])"
COMMANDS = st.one_of(
    st.builds(lambda v: resp("ECHO", v), VALUES),
    st.builds(lambda k, v: resp("SET", k, v), KEYS, VALUES),
    st.builds(lambda k: resp("GET", k), KEYS),
    st.builds(lambda a, b: resp("MGET", a, b), KEYS, KEYS),
    st.builds(lambda k, v: resp("RPUSH", k, v, "message"), KEYS, VALUES),
    st.builds(lambda k: resp("LRANGE", k, 0, -1), KEYS),
    st.builds(lambda k, v: resp("XADD", k, "*" if not v else "1-*", "f", v), KEYS, VALUES).map(
        lambda c: c.replace(b"$1\r\n*", b"$3\r\n1-1")),
    st.builds(lambda k: resp("XREAD", "BLOCK", 1, "STREAMS", k, 0), KEYS),
    st.builds(lambda k: resp("BLPOP", k, "0.001"), KEYS),
    st.builds(lambda k, v: resp("HSET", k, "f", v), KEYS, VALUES),
    st.builds(lambda k: resp("HGETALL", k), KEYS),
    st.builds(lambda k: resp("SADD", k, "m"), KEYS),
    st.builds(lambda k: resp("SMEMBERS", k), KEYS),
    st.builds(lambda k, v: resp("EVAL", SCRIPT, 1, k, v), KEYS, VALUES),
    st.builds(lambda k: resp("EVALSHA", "0" * 40, 1, k), KEYS),
    st.builds(lambda c, v: resp("PUBLISH", c, v), CHANNELS, VALUES),
    st.lists(CHANNELS, min_size=1, max_size=3).map(lambda c: resp("SUBSCRIBE", *c)),
    st.lists(CHANNELS, max_size=2).map(lambda c: resp("UNSUBSCRIBE", *c)),
    CHANNELS.map(lambda c: resp("PSUBSCRIBE", c + b"*")),
    CHANNELS.map(lambda c: resp("SSUBSCRIBE", c)),
    st.sampled_from([
        resp("PUNSUBSCRIBE"), resp("SUNSUBSCRIBE"), resp("MULTI"), resp("MULTI"), resp("EXEC"),
        resp("EXEC"), resp("DISCARD"), resp("WATCH", "k"), resp("NO", "SUCH"), resp("GET"),
        resp("RESET"), resp("PING"), resp("PING", "x"), resp("HELLO", 3), resp("HELLO", 2),
        resp("CLIENT", "TRACKING", "ON"), resp("CLIENT", "REPLY", "SKIP"),
        resp("CLIENT", "REPLY", "ON"), resp("CLIENT", "SETINFO", "LIB-NAME", "x"),
        resp("DEBUG", "PROTOCOL", "attrib"), resp("DEBUG", "PROTOCOL", "push"),
        resp("DEBUG", "PROTOCOL", "verbatim"), resp("DEBUG", "PROTOCOL", "bignum"),
        resp("DEBUG", "PROTOCOL", "null"), resp("DEBUG", "PROTOCOL", "map"),
        resp("DEBUG", "PROTOCOL", "true"), resp("DEBUG", "PROTOCOL", "double"),
        b"PING\r\n", b'ECHO "a b"\r\n', b"\r\n", b"*0\r\n", b"*1\r\n$0\r\n\r\n",
    ]),
)  # fmt: skip
PIPELINES = st.lists(COMMANDS, min_size=1, max_size=10)
FIRST = st.sampled_from([b"", resp("HELLO", 3)])
PLACES = st.lists(st.integers(0, 2_000_000), max_size=4)


@dataclass(frozen=True)
class Ways:
    """Ports: of a store, and of proxies before it that pass, that look on, and that hold all."""

    direct: int
    unparsed: int
    parsed: int
    held: int
    looking: Looking
    restless: Restless


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    looking, restless = Looking(), Restless()
    with server(tmp_path_factory.mktemp("store"), *OPTIONS) as store:
        url = f"redis://127.0.0.1:{store.port}/0"
        with (
            proxy_thread(url, None) as unparsed,
            proxy_thread(url, looking) as parsed,
            proxy_thread(url, restless) as held,
        ):
            yield Ways(store.port, unparsed, parsed, held, looking, restless)


def seen(port: int, stream: bytes, places: Sequence[int] = ()) -> bytes:
    """What comes back, without the connection's own number.

    PING stands before QUIT because of CLIENT REPLY SKIP: the store does not hang up on a QUIT whose
    reply it skips, unless it has something else to send at that moment.
    """
    fresh, end = resp("FLUSHALL") + resp("SCRIPT", "FLUSH"), resp("PING") + resp("QUIT")
    received = talk(port, cut(fresh + stream + end, places))
    return re.sub(rb"(\$2\r\nid\r\n:)\d+", rb"\1N", received)


@settings(max_examples=EXCHANGES // 2)
@given(first=FIRST, pipeline=PIPELINES, places=PLACES)
def test_replies_are_the_same_bytes_with_and_without_the_proxy(
    ways: Ways, first: bytes, pipeline: list[bytes], places: list[int]
) -> None:
    """Two exchanges: one looked at, one of which each command, reply and message is held."""
    stream = first + b"".join(pipeline)
    direct = seen(ways.direct, stream)
    assert seen(ways.parsed, stream, places) == direct
    assert seen(ways.held, stream, places) == direct
    ways.looking.forget()
    ways.restless.forget()


@settings(max_examples=max(30, EXCHANGES // 20))
@given(first=FIRST, pipeline=PIPELINES, places=PLACES)
def test_unparsed_bytes_pass_as_they_are(
    ways: Ways, first: bytes, pipeline: list[bytes], places: list[int]
) -> None:
    stream = first + b"".join(pipeline)
    assert seen(ways.unparsed, stream, places) == seen(ways.direct, stream)


@settings(max_examples=max(60, EXCHANGES // 10))
@given(first=FIRST, pipeline=PIPELINES)
def test_each_reply_is_given_to_its_own_command(
    ways: Ways, first: bytes, pipeline: list[bytes]
) -> None:
    """Whatever was asked before, the last ECHO is answered with its word; or refused, to who is
    subscribed."""
    ways.looking.forget()
    end = resp("DISCARD") + resp("ECHO", "the last") + resp("QUIT")
    talk(ways.parsed, [first + b"".join(pipeline) + end])
    if resp("CLIENT", "REPLY", "SKIP") in pipeline:
        return  # from there on it looks at nothing
    last = ways.looking.last("ECHO")
    assert last.args == (b"the last",)
    reply = last.answered.result()
    assert reply == Reply("ok", b"the last") or b"only (P|S)SUBSCRIBE" in reply.head


@settings(max_examples=max(30, EXCHANGES // 20))
@given(
    first=FIRST,
    messages=st.lists(st.tuples(CHANNELS, VALUES), min_size=1, max_size=5),
    patterns=st.booleans(),
)
def test_messages_of_others_are_the_same_bytes(
    ways: Ways, first: bytes, messages: list[tuple[bytes, bytes]], patterns: bool
) -> None:
    asked = resp("SUBSCRIBE", "c", "d", "message") + (resp("PSUBSCRIBE", "*") if patterns else b"")
    publish = [resp("PUBLISH", channel, data) for channel, data in messages]
    through, direct = (
        seen_by_subscriber(port, first + asked, 3 + patterns, b"".join(publish), ways.direct)
        for port in (ways.held, ways.direct)
    )
    assert through == direct
    ways.restless.forget()


def seen_by_subscriber(port: int, asked: bytes, count: int, publish: bytes, other: int) -> bytes:
    """All that a connection receives that subscribes, then hears of `publish`, then quits."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as client:
        client.sendall(asked)
        received = b""
        while received.count(b"subscribe\r\n") < count or not received.endswith(b"\r\n"):
            received += client.recv(65_536)
        talk(other, [publish + resp("QUIT")])
        client.sendall(resp("QUIT"))
        while data := client.recv(65_536):
            received += data
    return re.sub(rb"(\$2\r\nid\r\n:)\d+", rb"\1N", received)
